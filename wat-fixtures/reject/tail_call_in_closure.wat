;; A tail call that may reach the entry.
;; RUN: reject
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory 1)
  (func $f (result i32) (return_call $fork))
  (func (export "run") (result i32) (i32.add (call $f) (i32.const 1))))
