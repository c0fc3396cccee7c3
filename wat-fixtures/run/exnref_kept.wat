;; An exception whose payload holds a reference is live at the sites, and kept in the same instance.
;; RUN: run
;; INVOKE: run 3
;; SAME-INSTANCE: an exception that no other can have
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (import "env" "log" (func $log (param i32)))
  (import "env" "make" (func $make (result externref)))
  (import "env" "use" (func $use (param externref)))
  (memory (export "memory") 1)
  (tag $e (param i32 externref))
  (tag $plain)
  (func $inner (param $x i32) (result i32)
    (i32.add (call $fork (local.get $x)) (i32.const 1)))
  (func $kept (param $x i32)
    (local $a exnref) (local $y i32)
    (block $h (result i32 externref exnref)
      (try_table (catch_ref $e $h) (throw $e (local.get $x) (call $make)))
      (unreachable))
    (local.set $a) (call $use) (call $log)
    (local.set $y (call $inner (local.get $x)))
    (call $log (local.get $y))
    (call $log (call $inner (local.get $y)))
    (throw_ref (local.get $a)))
  (func (export "run") (param $x i32) (result i32)
    (block $h (result i32 externref)
      (try_table (catch $e $h) (call $kept (local.get $x)))
      (unreachable))
    (call $use)))
