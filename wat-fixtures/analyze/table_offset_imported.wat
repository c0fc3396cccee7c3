;; The place of the segment is an imported global, so a constant index says nothing: both calls of
;; type $t may reach $forks. No segment holds a function of type $u, so $by_u is not in the closure.
;; RUN: analyze
(module
  (type $t (func))
  (type $u (func (param i32)))
  (import "env" "fork" (func $fork))
  (import "env" "base" (global $base i32))
  (memory 1)
  (table 4 funcref)
  (elem (global.get $base) $plain $forks)
  (func $plain (type $t))
  (func $forks (type $t) (call $fork))
  (func $zero (export "zero") (call_indirect (type $t) (i32.const 0)))
  (func $one (export "one") (call_indirect (type $t) (i32.const 1)))
  (func $by_u (export "u") (call_indirect (type $u) (i32.const 7) (i32.const 1))))
