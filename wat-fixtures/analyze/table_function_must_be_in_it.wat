;; $forks has the type that $calls asks for, but it is in another table, and $exported is in none at
;; all: a table that the host does not see holds only what was put there. So $calls is not in the closure.
;; RUN: analyze
(module
  (type $t (func))
  (import "env" "fork" (func $fork))
  (memory 1)
  (table $called 2 funcref)
  (table $other 2 funcref)
  (elem (table $called) (i32.const 0) func $plain)
  (elem (table $other) (i32.const 0) func $forks)
  (func $plain (type $t))
  (func $forks (type $t) (call $fork))
  (func $exported (export "exported") (type $t) (call $fork))
  (func $calls (export "calls") (param i32) (call_indirect $called (type $t) (local.get 0)))
  (func $calls_other (export "calls_other") (param i32)
    (call_indirect $other (type $t) (local.get 0))))
