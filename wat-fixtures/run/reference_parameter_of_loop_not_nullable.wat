;; A loop with sites takes a reference that is not null: a rewind enters it with the one that it took last, in any round.
;; RUN: run
;; INVOKE: run 5 0
;; SAME-INSTANCE: functions can't be told apart
(module
  (type $t (func (param i32) (result i32)))
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (import "env" "log" (func $log (param i32)))
  (memory (export "memory") 1)
  (elem declare func $plain $other)
  (func $plain (type $t) (i32.add (local.get 0) (i32.const 1)))
  (func $other (type $t) (i32.mul (local.get 0) (i32.const 3)))
  (func $call (param $f (ref $t)) (param $x i32) (result i32)
    (call_ref $t (local.get $x) (local.get $f)))
  (func $loop (param $x i32) (result i32)
    (i32.mul (local.get $x) (i32.const 7))
    (ref.func $other)
    (local.get $x)
    (loop $again (param (ref $t) i32) (result i32)
      (call $call)
      (local.set $x)
      (call $log (local.get $x))
      (local.set $x (i32.add (local.get $x) (call $fork (local.get $x))))
      (ref.func $plain)
      (local.get $x)
      (br_if $again (i32.lt_s (local.get $x) (i32.const 300)))
      (call $call))
    i32.sub)
  (func (export "run") (param $x i32) (param i64) (result i32) (call $loop (local.get $x))))
