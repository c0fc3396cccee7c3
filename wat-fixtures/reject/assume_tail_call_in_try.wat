;; As a call, a tail call inside a try would throw into its handlers; so it can't be guarded there.
;; RUN: reject
;; ASSUME: no-fork aside
(module
  (import "env" "fork" (func $fork))
  (memory 1)
  (func $leaf (export "leaf") (call $fork))
  (func $aside (export "aside")
    (block $caught (try_table (catch_all $caught) (block (return_call $leaf))))))
