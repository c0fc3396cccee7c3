;; Functions whose frames differ in size and alignment lie on each other.
;; RUN: run
;; INVOKE: run 1
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "memory") 1)
  (func $a (param i32) (result i32) (i32.add (call $b (i64.const 2)) (local.get 0)))
  (func $b (param i64) (result i32)
    (i32.add (call $c (v128.const i64x2 3 4)) (i32.wrap_i64 (local.get 0))))
  (func $c (param v128) (result i32)
    (i32.add (call $d) (i32x4.extract_lane 2 (local.get 0))))
  (func $d (result i32) (call $e (f32.const 1.5) (f64.const 2.5)))
  (func $e (param f32 f64) (result i32)
    (i32.add (call $fork)
      (i32.trunc_f64_s (f64.add (f64.promote_f32 (local.get 0)) (local.get 1)))))
  (func (export "run") (param i32) (result i32)
    (i32.mul (call $a (i32.add (local.get 0) (i32.const 6))) (local.get 0))))
