;; A loop that takes parameters: they are on the stack at the back edge and below the site.
;; RUN: run
;; INVOKE: run 4
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "run") (param $n i32) (result i64)
    (i64.const 1)
    (local.get $n)
    (loop $l (param i64 i32) (result i64)
      (local.set $n)
      (i64.mul (i64.add (i64.extend_i32_s (call $fork (local.get $n))) (i64.const 1)))
      (i32.sub (local.get $n) (i32.const 1))
      (br_if $l (i32.gt_s (local.get $n) (i32.const 1)))
      drop)))
