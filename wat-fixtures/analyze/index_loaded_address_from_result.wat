;; The address is a result, always 8, where 2 stays. As for parameters, nothing is computed with it: $two
;; is in the closure, which is less precise than the facts allow.
;; RUN: analyze
(module
  (import "env" "fork" (func $fork))
  (memory 1)
  (data (i32.const 8) "\02\00\00\00\01\00\00\00")
  (table 4 funcref)
  (elem (i32.const 0) $plain $forks $plain $plain)
  (func $plain)
  (func $forks (call $fork))
  (func $eight (result i32) (i32.const 8))
  (func $two (export "two") (call_indirect (i32.load (call $eight)))))
