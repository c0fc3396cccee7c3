;; A memory with 64-bit addresses grows before, between and after sites, and `memory.size` and `memory.grow` lie below them.
;; RUN: run
;; INVOKE: run
(module
  (import "env" "fork" (func $fork (result i32)))
  (import "env" "log" (func $log (param i64 i32)))
  (memory (export "memory") i64 1 20)
  (func (export "run") (result i64)
    (local $p i64)
    (local.set $p (i64.mul (memory.grow (i64.const 2)) (i64.const 65536)))
    (i32.store offset=65536 (local.get $p) (i32.const 77))
    (call $log (memory.size) (call $fork))
    (call $log (memory.grow (i64.const 1)) (call $fork))
    (i64.add
      (i64.load32_s offset=65536 (local.get $p))
      (memory.grow (i64.extend_i32_s (call $fork))))))
