;; A result is what a function returns: 0 or 2 from $two_or_zero, 0 or 1 from $one_or_zero.
;; RUN: analyze
(module
  (import "env" "fork" (func $fork))
  (memory 1)
  (table 4 funcref)
  (elem (i32.const 0) $plain $forks $plain $plain)
  (func $plain)
  (func $forks (call $fork))
  (func $two_or_zero (param i32) (result i32)
    (if (local.get 0) (then (return (i32.const 2)))) (i32.const 0))
  (func $one_or_zero (param i32) (result i32)
    (select (i32.const 1) (i32.const 0) (local.get 0)))
  (func $even (export "even") (param i32) (call_indirect (call $two_or_zero (local.get 0))))
  (func $any (export "any") (param i32) (call_indirect (call $one_or_zero (local.get 0)))))
