;; An entry with parameters and results of every type; on rewind it gets the same arguments, though
;; what they were computed from has changed.
;; RUN: run
;; INVOKE: run 5
(module
  (import "env" "fork"
    (func $fork (param i32 i64 f32 f64 v128) (result v128 f64 f32 i64 i32)))
  (memory (export "memory") 1)
  (global $g (mut i32) (i32.const 1))
  (func (export "run") (param $x i32) (result i32 i64 f32 f64 i32)
    (local $v v128)
    (call $fork
      (i32.add (local.get $x) (global.get $g))
      (i64.extend_i32_s (local.tee $x (i32.const -3)))
      (f32.const -0.5)
      (f64.convert_i32_s (local.get $x))
      (i64x2.splat (i64.extend_i32_u (local.get $x))))
    (global.set $g (i32.const 55))
    (local.set $x)
    (drop)
    (drop)
    (drop)
    (local.set $v)
    (local.get $x)
    (i64x2.extract_lane 1 (local.get $v))
    (f32.const 1)
    (f64.const 2)
    (global.get $g)))
