;; A local of a non-nullable reference type has no default, so no landing can pass over the place
;; where it is set.
;; RUN: reject
(module
  (type $t (func (param i32) (result i32)))
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory (export "memory") 1)
  (elem declare func $plain)
  (func $plain (type $t) (i32.add (local.get 0) (i32.const 1)))
  (func (export "run") (param $x i32) (result i32)
    (local $r (ref $t))
    (local.set $x (call $fork (local.get $x)))
    (local.set $r (ref.func $plain))
    (local.set $x (call_ref $t (local.get $x) (local.get $r)))
    (i32.add (call $fork (local.get $x)) (local.get $x))))
