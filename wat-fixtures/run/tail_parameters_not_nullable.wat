;; What is tail-called has a parameter of a non-nullable reference type, for which there is nothing to stand in on a rewind.
;; RUN: run
;; INVOKE: run 4
(module
  (type $t (func (param i32) (result i32)))
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory (export "memory") 1)
  (elem declare func $id)
  (func $id (type $t) (i32.add (local.get 0) (i32.const 1)))
  (func $takes (param $f (ref $t)) (param $x i32) (result i32)
    (local.set $x (call_ref $t (local.get $x) (local.get $f)))
    (if (i32.lt_u (local.get $x) (i32.const 8)) (then (return_call $takes (ref.func $id) (local.get $x))))
    (i32.add (call $fork (local.get $x)) (local.get $x)))
  (func (export "run") (param $x i32) (result i32)
    (i32.mul (local.get $x) (call $gives (local.get $x))))
  (func $gives (param $x i32) (result i32)
    (return_call $takes (ref.func $id) (local.get $x))))
