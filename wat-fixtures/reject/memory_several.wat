;; Two memories.
;; RUN: reject
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory $a 1)
  (memory $b 1)
  (func (export "run") (result i32) (call $fork)))
