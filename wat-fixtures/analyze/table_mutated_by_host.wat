;; Slot 0 of an exported table holds $plain, and the module never writes to it. The host may: it can
;; have $forks, which is exported, but not $private, which is not: so $calls_u is not in the closure.
;; RUN: analyze
(module
  (type $t (func))
  (type $u (func (param i32)))
  (import "env" "fork" (func $fork))
  (memory 1)
  (table (export "table") 1 funcref)
  (elem (i32.const 0) $plain)
  (func $plain (type $t))
  (func $forks (export "forks") (type $t) (call $fork))
  (func $private (type $u) (call $fork))
  (func $calls (export "calls") (call_indirect (type $t) (i32.const 0)))
  (func $calls_u (export "calls_u") (call_indirect (type $u) (i32.const 7) (i32.const 0))))
