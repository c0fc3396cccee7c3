;; A constant index into a table that no one changes: only the function in that slot counts.
;; RUN: analyze
(module
  (type $t (func))
  (import "env" "fork" (func $fork))
  (memory 1)
  (table 4 funcref)
  (elem (i32.const 0) $plain $forks)
  (func $plain (type $t))
  (func $forks (type $t) (call $fork))
  (func $to_plain (export "p") (call_indirect (type $t) (i32.const 0)))
  (func $to_forks (export "f") (call_indirect (type $t) (i32.add (i32.const 3) (i32.const -2))))
  (func $to_null (export "n") (call_indirect (type $t) (i32.const 3)))
  (func $beyond (export "b") (call_indirect (type $t) (i32.const 99)))
  (func $any (export "a") (param i32) (call_indirect (type $t) (local.get 0))))
