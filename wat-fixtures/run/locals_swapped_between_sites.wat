;; Two sites with different live sets, and values that change their local between them.
;; RUN: run
;; INVOKE: run 1 2
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "memory") 1)
  (func (export "run") (param $a i32) (param $b i32) (result i32)
    (local $t i32)
    (local.set $t (local.get $a))
    (local.set $a (i32.add (local.get $b) (call $fork)))
    (local.set $b (local.get $t))
    (local.set $t (call $fork))
    (i32.add (i32.mul (local.get $a) (i32.const 100)) (i32.mul (local.get $b) (local.get $t)))))
