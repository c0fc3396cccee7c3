;; A chain of functions that do nothing but tail calls, so that none of them has a frame; the host calls the first and the second.
;; RUN: run
;; INVOKE: first 3
;; INVOKE: second 4 5
;; INVOKE: run
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory (export "memory") 1)
  (func $first (export "first") (param i32) (result i32 i64)
    (return_call $second (local.get 0) (i64.const 2)))
  (func $second (export "second") (param i32 i64) (result i32 i64)
    (if (i64.gt_u (local.get 1) (i64.const 4)) (then (return_call $plain)))
    (return_call $third (local.get 1) (f32.const 1) (local.get 0)))
  (func $third (param i64 f32 i32) (result i32 i64)
    (block $out (loop $again (br_if $out (local.get 2)) (br $again)))
    (return_call $last (local.get 2) (local.get 0)))
  (func $last (param i32 i64) (result i32 i64)
    (i32.add (call $fork (local.get 0)) (local.get 0))
    (i64.mul (local.get 1) (i64.extend_i32_s (call $fork (i32.const 1)))))
  (func $plain (result i32 i64) (i32.const 1) (i64.const 2))
  (func (export "run") (result i64)
    (local $low i64)
    (call $first (i32.const 10))
    (local.set $low)
    (i64.extend_i32_s)
    (i64.sub (local.get $low))))
