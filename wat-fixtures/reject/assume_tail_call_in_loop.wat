;; Guarded tail calls that lead back to themselves by tail calls would eat up the stack.
;; RUN: reject
;; ASSUME: no-fork aside
(module
  (import "env" "fork" (func $fork))
  (memory 1)
  (func $leaf (export "leaf") (call $fork) (return_call $between))
  (func $between (return_call $aside))
  (func $aside (export "aside") (return_call $leaf)))
