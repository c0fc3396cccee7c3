;; `return_call_ref` of functions of the closure and of others, also of a subtype of the type that is asked for.
;; RUN: run
;; INVOKE: run 0
;; INVOKE: run 1
;; INVOKE: run 2
(module
  (type $t (sub (func (param i32) (result i32))))
  (type $s (sub $t (func (param i32) (result i32))))
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory (export "memory") 1)
  (table $t funcref (elem $a $b $c))
  (elem declare func $a $b $c $f)
  (func $a (type $t) (i32.add (call $fork (local.get 0)) (i32.const 5)))
  (func $b (type $s) (i32.mul (call $fork (local.get 0)) (call $fork (i32.const 6))))
  (func $c (type $s) (i32.const 3))
  (func $f (type $t)
    (local $n i32)
    (local.set $n (call $fork (local.get 0)))
    (return_call_ref $t (local.get $n) (ref.cast (ref $t) (table.get $t (local.get 0)))))
  (func $g (param i32) (result i32)
    (return_call_ref $t (local.get 0) (ref.func $f)))
  (func $h (param i32) (result i32) (return_call $g (local.get 0)))
  (func (export "run") (param i32) (result i32)
    (i32.sub (call $h (local.get 0)) (call $f (i32.sub (i32.const 2) (local.get 0))))))
