;; The site is in the condition of an if, and in both arms.
;; RUN: run
;; INVOKE: run 3
;; RETURNS: 0 7 1 8
;; INVOKE: run 4
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "memory") 1)
  (func (export "run") (param $x i32) (result i32)
    (if (result i32) (call $fork)
      (then (i32.add (local.get $x) (call $fork)))
      (else (i32.mul (local.get $x) (call $fork))))))
