;; The condition of a br_if is a site; the branch carries a value.
;; RUN: run
;; INVOKE: run 3
;; RETURNS: 0 1
;; INVOKE: run 4
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "memory") 1)
  (func (export "run") (param $x i32) (result i32)
    (block $b (result i32)
      (i32.mul (local.get $x) (i32.const 10))
      (br_if $b (call $fork))
      (i32.add (call $fork)))))
