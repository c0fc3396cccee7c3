;; Three direct calls, one below the other: $a, $b and $c, whatever their order in the file. $beside
;; calls only what never forks.
;; RUN: analyze
(module
  (import "env" "fork" (func $fork))
  (memory 1)
  (func $a (export "a") (call $b))
  (func $leaf)
  (func $c (call $fork))
  (func $beside (export "beside") (call $leaf))
  (func $b (call $c)))
