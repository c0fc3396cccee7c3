;; An index loaded from a constant address. No instruction of the module writes to memory, and the host
;; does not see it, so what the data segment put there stays: 2 at address 8, 1 at address 12, and 0
;; where no segment is.
;; RUN: analyze
(module
  (import "env" "fork" (func $fork))
  (memory 1)
  (data (i32.const 8) "\02\00\00\00\01\00\00\00")
  (table 4 funcref)
  (elem (i32.const 0) $plain $forks $plain $plain)
  (func $plain)
  (func $forks (call $fork))
  (func $two (export "two") (call_indirect (i32.load (i32.const 8))))
  (func $one (export "one") (call_indirect (i32.load offset=4 (i32.const 8))))
  (func $zero (export "zero") (call_indirect (i32.load (i32.const 100)))))
