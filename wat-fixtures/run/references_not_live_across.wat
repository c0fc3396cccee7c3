;; References in a function with sites, none of which is needed after a site.
;; RUN: run
;; INVOKE: run 1
(module
  (type $t (func (param i32) (result i32)))
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory (export "memory") 1)
  (table $tab 3 funcref)
  (elem declare func $plain)
  (func $plain (type $t) (i32.add (local.get 0) (i32.const 1)))
  (func (export "run") (param $x i32) (result i32)
    (local $r funcref)
    (local.set $r (ref.func $plain))
    (local.set $x (i32.add (local.get $x) (ref.is_null (local.get $r))))
    (local.set $x (call $fork (local.get $x)))
    (local.set $r (ref.null func))
    (i32.add (local.get $x) (ref.is_null (local.get $r)))))
