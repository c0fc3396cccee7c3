;; One site in a function that does nothing else: what is added to it, and the shared helpers.
;; RUN: rewrite
;; WITH-RUNTIME:
(module $m
  (import "env" "fork" (func $fork (result i32)))
  (memory 1)
  (global $sp (mut i32) (i32.const 9))
  (func $f (export "run") (result i32) call $fork))
