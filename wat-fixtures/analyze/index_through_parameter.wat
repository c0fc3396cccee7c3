;; A parameter is what its direct calls give it: 0 and 2 for $even, 0 and 1 for $any. $exported may be
;; given anything by the host.
;; RUN: analyze
(module
  (import "env" "fork" (func $fork))
  (memory 1)
  (table 4 funcref)
  (elem (i32.const 0) $plain $forks $plain $plain)
  (func $plain)
  (func $forks (call $fork))
  (func $even (param i32) (call_indirect (local.get 0)))
  (func $any (param i32) (call_indirect (local.get 0)))
  (func $exported (export "exported") (param i32) (call_indirect (local.get 0)))
  (func $calls_even (export "calls_even") (call $even (i32.const 0)) (call $even (i32.const 2)))
  (func $calls_any (export "calls_any") (call $any (i32.const 0)) (call $any (i32.const 1))))
