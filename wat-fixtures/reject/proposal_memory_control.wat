;; A proposal that is not supported is named: memory.discard belongs to a proposal that is not enabled.
;; RUN: reject
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory 1)
  (func (export "run") (result i32) (memory.discard (i32.const 0) (i32.const 1)) (call $fork)))
