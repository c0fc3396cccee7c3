;; The address is a parameter, always 8, where 2 stays. Parameters are known only as they are: nothing is
;; computed with them, so the load gives anything, which the notes of the report say. That is less
;; precise than the facts allow: $calls_two and $two need not be in the closure.
;; RUN: analyze --format json
(module
  (import "env" "fork" (func $fork))
  (memory 1)
  (data (i32.const 8) "\02\00\00\00\01\00\00\00")
  (table 4 funcref)
  (elem (i32.const 0) $plain $forks $plain $plain)
  (func $plain)
  (func $forks (call $fork))
  (func $two (param i32) (call_indirect (i32.load (local.get 0))))
  (func $calls_two (export "calls_two") (call $two (i32.const 8))))
