;; A site in dead code needs no landing.
;; RUN: plan
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory 1)
  (func $f (export "run") (result i32)
    (drop (call $fork))
    (return (i32.const 1))
    (call $fork)))
