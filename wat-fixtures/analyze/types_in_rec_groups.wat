;; Types in different recursion groups are different, though they look the same.
;; RUN: analyze
(module
  (rec (type $a (func)) (type (struct)))
  (type $b (func))
  (import "env" "fork" (func $fork))
  (memory 1)
  (table funcref (elem $forks))
  (func $forks (type $a) (call $fork))
  (func $by_a (export "a") (param i32) (call_indirect (type $a) (local.get 0)))
  (func $by_b (export "b") (param i32) (call_indirect (type $b) (local.get 0))))
