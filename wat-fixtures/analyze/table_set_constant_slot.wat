;; A module that writes one known slot of its table: calls of the other slots are not concerned.
;; RUN: analyze
(module
  (type $t (func))
  (import "env" "fork" (func $fork))
  (memory 1)
  (table $tab 4 funcref)
  (elem declare func $forks)
  (elem (table $tab) (i32.const 0) func $plain)
  (func $plain (type $t))
  (func $forks (type $t) (call $fork))
  (func $set (export "set") (table.set $tab (i32.const 1) (ref.func $forks)))
  (func $calls (export "calls") (call_indirect $tab (type $t) (i32.const 0)))
  (func $one (export "one") (call_indirect $tab (type $t) (i32.const 1))))
