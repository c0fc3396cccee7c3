;; The function pointer is loaded from memory, and the callee overwrites it before it forks: on
;; rewind the same function must be called all the same.
;; RUN: run
;; INVOKE: run
;; INVOKE: run
(module
  (type $t (func (result i32)))
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "memory") 1)
  (table funcref (elem $a $b))
  (func $a (type $t)
    (i32.store (i32.const 8) (i32.const 1))
    (i32.add (call $fork) (i32.const 1000)))
  (func $b (type $t)
    (i32.store (i32.const 8) (i32.const 0))
    (i32.add (call $fork) (i32.const 2000)))
  (func (export "run") (result i32)
    (call_indirect (type $t) (i32.load (i32.const 8)))))
