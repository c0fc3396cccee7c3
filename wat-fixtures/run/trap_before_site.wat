;; A trap in an argument of the site: the site is never reached.
;; RUN: run
;; INVOKE: run 0
;; INVOKE: run 2
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "run") (param $x i32) (result i32)
    (call $fork (i32.div_s (i32.const 10) (local.get $x)))))
