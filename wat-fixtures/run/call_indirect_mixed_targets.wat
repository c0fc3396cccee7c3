;; An indirect site whose target is sometimes outside the closure: then nothing unwinds there.
;; RUN: run
;; INVOKE: run
(module
  (type $t (func (param i32) (result i32)))
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (import "env" "log" (func $log (param i32) (result i32)))
  (memory (export "memory") 1)
  (table funcref (elem $plain $log $forks $plain))
  (func $plain (type $t) (i32.add (local.get 0) (i32.const 1)))
  (func $forks (type $t) (call $fork (local.get 0)))
  (func (export "run") (result i32)
    (local $i i32) (local $sum i32)
    (loop $l
      (local.set $sum
        (i32.add
          (i32.mul (local.get $sum) (i32.const 3))
          (call_indirect (type $t) (local.get $i) (local.get $i))))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 4))))
    (local.get $sum)))
