;; A module that parses and doesn't validate: outside the closure too.
;; RUN: reject
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory 1)
  (func $bad (result i32) (i64.const 1))
  (func (export "run") (result i32) (call $fork)))
