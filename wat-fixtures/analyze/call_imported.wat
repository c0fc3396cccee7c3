;; Direct calls of imports. Only the entry is one; another import returns without calling back, which
;; is an assumption, for it could call the export $forks.
;; RUN: analyze
(module
  (import "env" "other" (func $other))
  (import "env" "fork" (func $fork))
  (memory 1)
  (func $forks (export "forks") (call $fork))
  (func $calls_other (export "calls_other") (call $other)))
