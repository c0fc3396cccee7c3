;; Two types with different indices and the same structure are one.
;; RUN: analyze
(module
  (type $t (func (param i32)))
  (type $u (func (param i32)))
  (import "env" "fork" (func $fork))
  (memory 1)
  (table funcref (elem $forks))
  (func $forks (type $u) (call $fork))
  (func $calls (export "calls") (param i32) (call_indirect (type $t) (i32.const 1) (local.get 0))))
