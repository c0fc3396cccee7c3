;; Blocks that take parameters: the operands move into the block, with a site inside.
;; RUN: run
;; INVOKE: run 3
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "memory") 1)
  (func (export "run") (param $x i32) (result i64)
    (local.get $x)
    (i64.const 40)
    (i32.const 5)
    (block (param i64 i32) (result i64)
      (local.set $x)
      (i64.add (i64.extend_i32_s (call $fork)))
      (i32.add (local.get $x) (i32.const 1))
      (block (param i64 i32) (result i64)
        (call $fork)
        i32.mul
        i64.extend_i32_s
        i64.sub))
    (i64.extend_i32_s (call $fork))
    i64.add
    (local.set $x (i32.const 2))
    (block (param i32 i64) (result i64 i32)
      (local.set $x (call $fork))
      (block (param i32 i64) (result i64 i32) (call $swap)))
    i64.extend_i32_s
    i64.mul)
  (func $swap (param i32 i64) (result i64 i32) (local.get 1) (local.get 0)))
