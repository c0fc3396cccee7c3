;; An if that takes parameters, with and without else; operands below stay.
;; RUN: run
;; INVOKE: run 0
;; INVOKE: run 1
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "memory") 1)
  (func (export "run") (param $x i32) (result i64)
    (i64.const 1000)
    (i32.const 30)
    (i64.const 4)
    (if (param i32 i64) (result i64) (local.get $x)
      (then
        (i64.add (i64.extend_i32_s (call $fork)))
        (local.set $x (i32.const 17))
        (call $mix))
      (else
        (drop)
        (i32.sub (call $fork))
        i64.extend_i32_s))
    (if (param i64) (result i64) (local.get $x)
      (then (i64.add (i64.extend_i32_s (call $fork)))))
    i64.mul)
  (func $mix (param i32 i64) (result i64)
    (i64.sub (i64.extend_i32_s (local.get 0)) (local.get 1))))
