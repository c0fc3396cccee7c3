;; A load from an address that is loaded itself: 8 is at address 4, 2 at address 8, 1 at address 12.
;; RUN: analyze
(module
  (import "env" "fork" (func $fork))
  (memory 1)
  (data (i32.const 8) "\02\00\00\00\01\00\00\00")
  (table 4 funcref)
  (elem (i32.const 0) $plain $forks $plain $plain)
  (func $plain)
  (func $forks (call $fork))
  (data (i32.const 4) "\08")
  (func $two (export "two") (call_indirect (i32.load (i32.load (i32.const 4)))))
  (func $one (export "one") (call_indirect (i32.load offset=4 (i32.load (i32.const 4))))))
