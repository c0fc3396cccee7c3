;; What a function takes that may be null is given from locals and operands that may not be, and which nothing else needs: a rewind gives null, and
;; reads no local that holds null without leave.
;; RUN: run
;; INVOKE: run 5
(module
  (type $t (func (param i32) (result i32)))
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (import "env" "log" (func $log (param i32)))
  (memory (export "memory") 1)
  (elem declare func $plain $other)
  (func $plain (type $t) (i32.add (local.get 0) (i32.const 1)))
  (func $other (type $t) (i32.mul (local.get 0) (i32.const 3)))
  (func $takes (param $r (ref null $t)) (param $x i32) (param $f funcref) (result i32)
    (call $log (ref.is_null (local.get $f)))
    (local.set $x (call_ref $t (local.get $x) (local.get $r)))
    (call $fork (local.get $x)))
  (func $choose (param $x i32) (result (ref $t))
    (if (result (ref $t)) (local.get $x) (then (ref.func $plain)) (else (ref.func $other))))
  (func (export "run") (param $x i32) (result i32)
    (local $r (ref $t)) (local $s (ref func))
    (local.set $r (call $choose (local.get $x)))
    (local.set $s (local.get $r))
    (call $log (call $takes (local.get $r) (i32.const 3) (local.get $s)))
    (local.set $r (call $choose (i32.const 0)))
    (local.set $s (local.get $r))
    (call $log (call $takes (local.get $r) (i32.const 4) (local.get $s)))
    (call $takes (call $choose (local.get $x)) (i32.add (local.get $x) (i32.const 7)) (call $choose (i32.const 0)))))
