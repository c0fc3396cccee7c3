;; A memory that doesn't exist: the ones that do are named.
;; RUN: reject
;; MEMORY: stack
(module
  (import "env" "fork" (func $fork (result i32)))
  (import "env" "data" (memory 1))
  (memory (export "stacks") (export "other") 1)
  (func (export "run") (result i32) (call $fork)))
