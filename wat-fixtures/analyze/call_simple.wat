;; A direct call of the entry: the caller is in the closure, and a function that calls nothing is not.
;; RUN: analyze
(module
  (import "env" "fork" (func $fork))
  (memory 1)
  (func $caller (export "caller") (call $fork))
  (func $other (export "other")))
