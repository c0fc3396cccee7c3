;; A later segment overwrites the slot that an earlier one wrote.
;; RUN: analyze
(module
  (type $t (func))
  (import "env" "fork" (func $fork))
  (memory 1)
  (table 2 funcref)
  (elem (i32.const 0) $forks $forks)
  (elem (i32.const 1) $plain)
  (func $plain (type $t))
  (func $forks (type $t) (call $fork))
  (func $zero (export "z") (call_indirect (type $t) (i32.const 0)))
  (func $one (export "o") (call_indirect (type $t) (i32.const 1))))
