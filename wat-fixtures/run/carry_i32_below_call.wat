;; A value on the operand stack below the site's arguments survives.
;; RUN: run
;; INVOKE: run 5
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "run") (param $x i32) (result i32)
    (i32.mul (local.get $x) (i32.const 7))
    (call $fork (i32.const 3))
    i32.sub))
