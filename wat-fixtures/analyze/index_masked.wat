;; An unknown index behind a mask: 0 or 2 in $even, 0 to 3 in $low.
;; RUN: analyze
(module
  (import "env" "fork" (func $fork))
  (memory 1)
  (table 4 funcref)
  (elem (i32.const 0) $plain $forks $plain $plain)
  (func $plain)
  (func $forks (call $fork))
  (func $even (export "even") (param i32)
    (call_indirect (i32.and (local.get 0) (i32.const 2))))
  (func $low (export "low") (param i32)
    (call_indirect (i32.and (local.get 0) (i32.const 3)))))
