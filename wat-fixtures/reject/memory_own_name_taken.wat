;; An own memory for frames, and an export that has its name.
;; RUN: reject
;; OWN-MEMORY:
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "wpk_fork_memory") 1)
  (func (export "run") (result i32) (call $fork)))
