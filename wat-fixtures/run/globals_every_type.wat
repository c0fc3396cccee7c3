;; Mutable globals of every numeric type and v128, exported or not, reach a fresh instance.
;; RUN: run
;; INVOKE: run 3
;; INVOKE: run 4
(module
  (import "env" "fork" (func $fork (result i32)))
  (import "env" "log" (func $log (param i32 i64 f32 f64 v128 i32)))
  (memory (export "memory") 1)
  (global $a (mut i32) (i32.const 1))
  (global $b (export "b") (mut i64) (i64.const 2))
  (global $c (mut f32) (f32.const 3))
  (global $k i32 (i32.const 11))
  (global $v (mut v128) (v128.const i32x4 1 2 3 4))
  (global $d (export "d") (mut f64) (f64.const 4))
  (func (export "run") (param $x i32)
    (global.set $a (i32.add (global.get $a) (local.get $x)))
    (global.set $b (i64.add (global.get $b) (i64.extend_i32_s (local.get $x))))
    (global.set $c (f32.mul (global.get $c) (f32.const 1.5)))
    (global.set $d (f64.mul (global.get $d) (f64.const 2.5)))
    (global.set $v (i32x4.add (global.get $v) (i32x4.splat (local.get $x))))
    (drop (call $fork))
    (call $log (global.get $a) (global.get $b) (global.get $c) (global.get $d) (global.get $v)
      (global.get $k))
    (global.set $a (i32.const 8))
    (drop (call $fork))
    (global.set $b (i64.add (global.get $b) (i64.extend_i32_s (global.get $a))))))
