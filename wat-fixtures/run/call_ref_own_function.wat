;; call_ref of a reference that is made on the spot.
;; RUN: run
;; INVOKE: run 5
(module
  (type $t (func (param i32) (result i32)))
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory (export "memory") 1)
  (elem declare func $f)
  (func $f (type $t) (i32.add (call $fork (local.get 0)) (i32.const 1)))
  (func (export "run") (param $x i32) (result i32)
    (i32.mul (local.get $x) (i32.const 100))
    (call_ref $t (local.get $x) (ref.func $f))
    i32.sub))
