;; The second segment puts $calls into the host's table. If the third one does not fit, instantiation fails
;; and the fourth is never written; then the host calls $calls, and slot 0 still holds $forks.
;; RUN: analyze
(module
  (import "env" "fork" (func $fork))
  (import "env" "table" (table $table 1 funcref))
  (import "env" "base" (global $base i32))
  (memory 1)
  (table $own 1 funcref)
  (elem (table $own) (i32.const 0) func $forks)
  (elem (table $table) (i32.const 0) func $calls)
  (elem (table $table) (global.get $base) func $calls)
  (elem (table $own) (i32.const 0) func $plain)
  (func $forks (call $fork))
  (func $plain)
  (func $calls (call_indirect $own (i32.const 0))))
