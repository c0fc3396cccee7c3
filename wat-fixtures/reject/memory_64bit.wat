;; A 64-bit memory.
;; RUN: reject
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory i64 1)
  (func (export "run") (result i32) (call $fork)))
