;; The module exports the functions that begin an unwind and a rewind; builds before `resume_begin` lack that one.
;; RUN: reject
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory 1)
  (func (export "wpk_fork_unwind_begin") (param i32))
  (func (export "wpk_fork_unwind_end"))
  (func (export "wpk_fork_rewind_begin") (param i32))
  (func (export "wpk_fork_rewind_end"))
  (func (export "wpk_fork_state") (result i32) (i32.const 0)))
