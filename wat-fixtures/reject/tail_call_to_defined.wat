;; A tail call to a function that forks later.
;; RUN: reject
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory 1)
  (func $g (result i32) (i32.add (call $fork) (i32.const 1)))
  (func $f (export "run") (param i32) (result i32)
    (if (local.get 0) (then (return_call $g)))
    (i32.const 4)))
