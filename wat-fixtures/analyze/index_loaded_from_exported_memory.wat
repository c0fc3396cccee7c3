;; The host sees the memory and may write 1 to address 8, so the load gives anything.
;; RUN: analyze
(module
  (import "env" "fork" (func $fork))
  (memory (export "memory") 1)
  (data (i32.const 8) "\02\00\00\00\01\00\00\00")
  (table 4 funcref)
  (elem (i32.const 0) $plain $forks $plain $plain)
  (func $plain)
  (func $forks (call $fork))
  (func $two (export "two") (call_indirect (i32.load (i32.const 8)))))
