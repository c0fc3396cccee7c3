;; All refusals are told at once: a line for each kind, with the first few places by name.
;; RUN: reject
(module
  (import "env" "fork" (func $fork (result i32)))
  (import "env" "make" (func $make (result externref)))
  (import "env" "use" (func $use (param externref)))
  (memory i64 1)
  (memory 1)
  (func $one (export "one") (result i32) (return_call $fork))
  (func $two (export "two") (param i32) (result i32)
    (if (local.get 0) (then (return_call $one)))
    (return_call $fork))
  (func $three (export "three") (result i32) (return_call $two (i32.const 1)))
  (func $kept (export "kept") (param i32) (result i32) (local externref)
    (if (local.get 0) (then (return_call $three)))
    (local.set 1 (call $make))
    (call $fork)
    (call $use (local.get 1)))
  (func (export "wpk_fork_state")))
