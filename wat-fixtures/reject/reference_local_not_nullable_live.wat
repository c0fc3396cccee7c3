;; A local of a non-nullable reference type is needed after a site.
;; RUN: reject
(module
  (type $t (func (param i32) (result i32)))
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory (export "memory") 1)
  (elem declare func $plain)
  (func $plain (type $t) (i32.add (local.get 0) (i32.const 1)))
  (func (export "run") (param $x i32) (result i32)
    (local $r (ref $t))
    (local.set $r (ref.func $plain))
    (local.set $x (call $fork (local.get $x)))
    (call_ref $t (local.get $x) (local.get $r))))
