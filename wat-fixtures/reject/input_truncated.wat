;; A module without its last bytes.
;; RUN: reject
;; TRUNCATE: 3
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory 1)
  (func (export "run") (result i32) (call $fork)))
