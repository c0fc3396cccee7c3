;; Without memory there is nowhere to put frames.
;; RUN: reject
(module
  (import "env" "fork" (func $fork (result i32)))
  (func (export "run") (result i32) (call $fork)))
