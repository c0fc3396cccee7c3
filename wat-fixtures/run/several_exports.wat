;; Exports called one after the other; state in globals and memory goes on from one to the next, in
;; whichever instance.
;; RUN: run
;; INVOKE: one 1
;; INVOKE: two 2
;; INVOKE: one 3
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "memory") 1)
  (global $acc (mut i64) (i64.const 1))
  (func (export "one") (param i32) (result i64)
    (global.set $acc (i64.add (global.get $acc) (i64.extend_i32_s (call $fork))))
    (i64.mul (global.get $acc) (i64.extend_i32_s (local.get 0))))
  (func (export "two") (param i32)
    (local $old i64)
    (local.set $old (global.get $acc))
    (global.set $acc (i64.const 0))
    (i64.store (i32.const 32) (i64.extend_i32_s (call $fork)))
    (global.set $acc (i64.add (local.get $old) (i64.load (i32.const 32))))))
