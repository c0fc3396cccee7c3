;; The least program: a site, and nothing around it.
;; RUN: run
;; INVOKE: run
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "memory") 1)
  (func (export "run") (result i32)
    call $fork))
