;; A tail call through a table and one of a reference that may find the entry itself, and so are made calls: its arguments and the index are kept.
;; RUN: run
;; INVOKE: run 0
;; INVOKE: run 1
(module
  (type $t (func (param i32) (result i32)))
  (import "env" "fork" (func $fork (type $t)))
  (memory (export "memory") 1)
  (table $t funcref (elem $fork $plain $forks))
  (func $plain (type $t) (i32.add (local.get 0) (i32.const 1)))
  (func $forks (type $t) (i32.add (call $fork (local.get 0)) (i32.const 2)))
  (func $by_index (param $i i32) (param $x i64) (result i32)
    (i32.add (i32.wrap_i64 (local.get $x)) (local.get $i))
    (local.set $x (i64.const 0))
    (local.get $i)
    (return_call_indirect $t (type $t)))
  (func $by_reference (param $i i32) (result i32)
    (return_call_ref $t (i32.const 77) (ref.cast (ref $t) (table.get $t (local.get $i)))))
  (func (export "run") (param $i i32) (result i32)
    (i32.sub
      (i32.mul (call $by_index (local.get $i) (i64.const 20)) (call $by_index (i32.const 2) (i64.const 40)))
      (i32.mul (call $by_reference (local.get $i)) (call $by_reference (i32.const 2))))))
