;; An operand that is teed into a local just before the landing, and an argument of the site that
;; writes the local again: the operand is no copy of the local any more.
;; RUN: run
;; INVOKE: run 5
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "run") (param $x i32) (result i32)
    (i32.mul (local.get $x) (i32.const 9))
    local.tee $x
    i32.const 15
    local.tee $x
    call $fork
    i32.sub
    (i32.add (local.get $x))))
