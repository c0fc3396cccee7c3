;; A module that writes its table: any function of the type whose reference is taken.
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
  (func $set (export "set") (param i32) (table.set $tab (local.get 0) (ref.func $forks)))
  (func $calls (export "calls") (call_indirect $tab (type $t) (i32.const 0))))
