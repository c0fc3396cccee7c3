;; A proposal that is not supported is named: shared globals belong to a proposal that is not enabled.
;; RUN: reject
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory 1)
  (global $g (shared mut i32) (i32.const 0)) (func (export "run") (result i32) (call $fork)))
