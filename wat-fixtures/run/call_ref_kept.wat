;; `call_ref` may reach the entry through a reference that nothing can make again: of the entry, of functions that call it, also where
;; the callee is not null by its type, and below other operands.
;; RUN: run
;; INVOKE: run 1
;; INVOKE: run 2
;; SAME-INSTANCE: functions can't be told apart
(module
  (type $t (func (param i32) (result i32)))
  (import "env" "fork" (func $fork (type $t)))
  (import "env" "log" (func $log (param i32)))
  (memory (export "memory") 1)
  (elem declare func $fork $calls)
  (export "fork" (func $fork))
  (func $calls (type $t)
    (i32.mul (call $fork (local.get 0)) (i32.const 3)))
  (func $choose (param $x i32) (result (ref $t))
    (if (result (ref $t)) (i32.and (local.get $x) (i32.const 1)) (then (ref.func $fork)) (else (ref.func $calls))))
  (func $call (param $x i32) (param $r (ref null $t)) (result i32)
    (i32.add (call_ref $t (local.get $x) (local.get $r)) (local.get $x)))
  (func (export "run") (param $x i32) (result i32)
    (local $f (ref $t))
    (local.set $f (call $choose (local.get $x)))
    (call $log (call_ref $t (i32.const 4) (call $choose (local.get $x))))
    (call $log (call_ref $t (i32.const 4) (call $choose (i32.add (i32.const 1) (local.get $x)))))
    (call $log (call_ref $t (call_ref $t (i32.const 4) (local.get $f)) (local.get $f)))
    (call $call (local.get $x) (call $choose (local.get $x)))))
