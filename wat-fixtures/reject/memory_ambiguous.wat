;; A pattern that means two memories.
;; RUN: reject
;; MEMORY: st*
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "stacks") 1)
  (memory (export "data") 1)
  (memory (export "statics") 1)
  (func (export "run") (result i32) (call $fork)))
