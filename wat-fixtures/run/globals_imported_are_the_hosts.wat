;; An imported mutable global belongs to the host: it is neither saved nor restored by the module.
;; RUN: run
;; INVOKE: run
(module
  (import "env" "pid" (global $pid (mut i32)))
  (import "env" "base" (global $base i64))
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "memory") 1)
  (global $own (mut i32) (i32.const 1))
  (func (export "run") (result i32)
    (global.set $pid (i32.add (global.get $pid) (i32.const 1)))
    (global.set $own (global.get $pid))
    (drop (call $fork))
    (global.set $pid (i32.add (global.get $pid) (i32.const 1)))
    (i32.mul (global.get $own) (global.get $pid))
    (i32.add (i32.wrap_i64 (global.get $base)))))
