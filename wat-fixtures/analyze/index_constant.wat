;; A constant index: slot 1 holds $forks, slot 0 does not, slot 9 is beyond the table.
;; RUN: analyze
(module
  (import "env" "fork" (func $fork))
  (memory 1)
  (table 4 funcref)
  (elem (i32.const 0) $plain $forks $plain $plain)
  (func $plain)
  (func $forks (call $fork))
  (func $zero (export "zero") (call_indirect (i32.const 0)))
  (func $one (export "one") (call_indirect (i32.const 1)))
  (func $nine (export "nine") (call_indirect (i32.const 9))))
