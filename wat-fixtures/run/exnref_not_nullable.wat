;; Exceptions that are not null by their type, in a local and on the operand stack.
;; RUN: run
;; INVOKE: run 3
(module
  (type $f (func (param i32) (result i32)))
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (import "env" "log" (func $log (param i32)))
  (memory (export "memory") 1)
  (tag $e (param i32))
  (elem declare func $plain)
  (func $plain (type $f) (i32.add (local.get 0) (i32.const 1)))
  (func $of (param $x exnref) (result i32)
    (block $e (result i32) (try_table (catch $e $e) (throw_ref (local.get $x))) (unreachable)))
  (func $not_null (param $x i32) (result i32)
    (local $r (ref exn))
    (block $h (result i32 (ref exn))
      (try_table (catch_ref $e $h) (throw $e (local.get $x)))
      (unreachable))
    (local.set $r)
    (call $log (call $fork (i32.const 5)))
    (drop)
    (call $of (local.get $r)))
  (func (export "run") (param $x i32) (result i32)
    (call_ref $f (call $not_null (local.get $x)) (ref.func $plain))))
