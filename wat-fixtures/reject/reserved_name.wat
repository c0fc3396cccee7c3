;; An export has a name that the ABI needs, but it is no function.
;; RUN: reject
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory 1)
  (global (export "wpk_fork_state") i32 (i32.const 0)))
