;; The same operand stays below several blocks and sites one after the other.
;; RUN: run
;; INVOKE: run 11
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "memory") 1)
  (func (export "run") (param $x i32) (result i32)
    (i32.add (local.get $x) (i32.const 1))
    (block (local.set $x (call $fork)))
    (block (block (local.set $x (i32.add (local.get $x) (call $fork)))))
    (drop (call $fork))
    (i32.mul (local.get $x))))
