;; A pattern that means no function is answered with names like it.
;; RUN: reject
;; ASSUME: not-called le_af
(module
  (import "env" "fork" (func $fork))
  (memory 1)
  (func $leaf (export "leaf") (call $fork)))
