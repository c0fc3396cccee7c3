;; The same as JSON.
;; RUN: analyze --format json
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory 1)
  (func $a (result i32) (call $fork))
  (func $b (export "b") (result i32) (call $a))
  (func $c (export "c")))
