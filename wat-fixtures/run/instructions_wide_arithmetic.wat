;; Instructions with two results on the operand stack below a site.
;; RUN: run
;; INVOKE: run 7
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "memory") 1)
  (func (export "run") (param $x i64) (result i64 i64)
    (i64.mul_wide_u (i64.sub (i64.const 0) (local.get $x)) (i64.const 1000))
    (i64.extend_i32_s (call $fork))
    (i64.extend_i32_s (call $fork))
    i64.add128))
