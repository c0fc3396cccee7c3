;; Tail calls to functions outside the closure, from an instrumented function and elsewhere.
;; RUN: run
;; INVOKE: run 0
;; INVOKE: run 1
(module
  (type $t (func (param i32) (result i32)))
  (import "env" "fork" (func $fork (result i32)))
  (import "env" "log" (func $log (param i32)))
  (memory (export "memory") 1)
  (func $plain (param i32) (result i32)
    (call $log (local.get 0))
    (return_call $plainer (i32.add (local.get 0) (i32.const 1))))
  (func $plainer (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3)))
  (func (export "run") (param $x i32) (result i32)
    (local.set $x (i32.add (local.get $x) (call $fork)))
    (if (i32.and (local.get $x) (i32.const 1)) (then (return_call $plain (local.get $x))))
    (i32.add (call $plain (local.get $x)) (call $fork))))
