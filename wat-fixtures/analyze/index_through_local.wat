;; A constant that goes through a local: 0 or 2 in $even, for no branch makes it 1; 0 or 1 in $any.
;; RUN: analyze
(module
  (import "env" "fork" (func $fork))
  (memory 1)
  (table 4 funcref)
  (elem (i32.const 0) $plain $forks $plain $plain)
  (func $plain)
  (func $forks (call $fork))
  (func $even (export "even") (param $p i32) (local $i i32)
    (if (local.get $p) (then (local.set $i (i32.const 2))))
    (call_indirect (local.get $i)))
  (func $any (export "any") (param $p i32) (local $i i32)
    (if (local.get $p) (then (local.set $i (i32.const 1))))
    (call_indirect (local.get $i))))
