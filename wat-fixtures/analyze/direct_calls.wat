;; Callers of callers of the entry are in the closure, and no one else.
;; RUN: analyze
(module
  (import "env" "fork" (func $fork (result i32)))
  (import "env" "other" (func $other))
  (memory 1)
  (func $a (result i32) (call $fork))
  (func $b (export "b") (result i32) (call $a))
  (func $c (export "c") (call $other))
  (func $unused (result i32) (call $b)))
