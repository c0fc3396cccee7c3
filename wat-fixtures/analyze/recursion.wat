;; Functions that call each other and lead to the entry, and others that don't.
;; RUN: analyze
(module
  (import "env" "fork" (func $fork))
  (memory 1)
  (func $a (call $b))
  (func $b (call $a) (call $fork))
  (func $c (call $d))
  (func $d (call $c)))
