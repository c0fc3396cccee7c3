;; A chain of functions with different signatures, multi-value ones among them.
;; RUN: run
;; INVOKE: run 3
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "memory") 1)
  (func $d (param f32) (result f32 i32)
    (f32.mul (local.get 0) (f32.const 2))
    call $fork)
  (func $c (param i64 i32) (result i64 f32)
    (local $k i32)
    (call $d (f32.convert_i32_s (local.get 1)))
    (local.set $k)
    (i64.add (local.get 0) (i64.extend_i32_s (local.get $k)))
    (local.set 0)
    (f32.add (f32.const 1))
    (local.get 0)
    (call $swap))
  (func $swap (param f32 i64) (result i64 f32) (local.get 1) (local.get 0))
  (func $b (param f64) (result f64)
    (local $f f32)
    (local.get 0)
    (call $c (i64.trunc_f64_s (local.get 0)) (i32.const 8))
    (local.set $f)
    f64.convert_i64_s
    f64.mul
    (f64.add (f64.promote_f32 (local.get $f))))
  (func (export "run") (param i32) (result f64)
    (f64.sub (f64.const 0.25) (call $b (f64.convert_i32_s (local.get 0))))))
