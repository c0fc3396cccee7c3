;; An arm that ends in `unreachable`, one that is dead from its start, and a site in each.
;; RUN: run
;; INVOKE: run 1
;; INVOKE: run 0
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "memory") 1)
  (func (export "run") (param $x i32) (result i32)
    (if (result i32) (local.get $x)
      (then (call $fork))
      (else
        (drop (call $fork))
        unreachable
        (drop (call $fork))
        (if (result i32) (then (call $fork)) (else (call $fork)))))))
