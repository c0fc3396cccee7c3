;; A try_table with parameters and several results.
;; RUN: run
;; INVOKE: run 4
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "memory") 1)
  (tag $e (param i32 i64))
  (func (export "run") (param $x i32) (result i64)
    (i64.const 100)
    (block $h (result i32 i64)
      (local.get $x)
      (i64.const 6)
      (try_table (param i32 i64) (result i32 i64) (catch $e $h)
        (i64.add (i64.extend_i32_s (call $fork)))
        (drop (call $fork))))
    (i64.add (i64.extend_i32_s (call $fork)))
    (local.set $x (i32.const 3))
    (block (param i32 i64) (result i64)
      (i64.mul (i64.extend_i32_s (local.get $x)))
      (call $join))
    i64.sub)
  (func $join (param i32 i64) (result i64) (i64.sub (i64.extend_i32_s (local.get 0)) (local.get 1))))
