;; After the rewind a callee throws: the handler around the site catches it, as it would have.
;; RUN: run
;; RETURNS: 5
;; INVOKE: run 5
;; INVOKE: run 50
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "memory") 1)
  (tag $e (param i32 i64))
  (func $thrower (param $x i32) (result i32)
    (local $r i32)
    (local.set $r (call $fork))
    (if (i32.eq (local.get $r) (local.get $x))
      (then (throw $e (local.get $x) (i64.const 9))))
    (i32.add (local.get $r) (local.get $x)))
  (func (export "run") (param $x i32) (result i64)
    (i64.extend_i32_s (local.get $x))
    (block $h (result i32 i64)
      (try_table (catch $e $h)
        (local.set $x (call $thrower (local.get $x))))
      (i32.const -1)
      (i64.const -2))
    (i64.add (i64.extend_i32_s (local.get $x)))
    (local.set $x (i32.const 2))
    (call $join)
    i64.mul)
  (func $join (param i32 i64) (result i64) (i64.add (i64.extend_i32_s (local.get 0)) (local.get 1))))
