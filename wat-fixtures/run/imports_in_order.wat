;; Imports that are not entries are called in order and once, between sites, with operands below.
;; RUN: run
;; INVOKE: run 3
(module
  (import "env" "a" (func $a (param i32) (result i32)))
  (import "env" "fork" (func $fork (result i32)))
  (import "env" "b" (func $b (param i32 i32)))
  (memory (export "memory") 1)
  (func (export "run") (param $x i32)
    (i32.add (call $a (local.get $x)) (i32.const 1))
    (drop (call $a (call $fork)))
    (call $b (call $a (call $fork)))
    (call $b (call $fork) (call $a (i32.const 5)))))
