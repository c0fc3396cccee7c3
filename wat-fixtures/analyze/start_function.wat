;; The start function is a caller like any other.
;; RUN: analyze
(module
  (import "env" "fork" (func $fork))
  (memory 1)
  (func $start (call $fork))
  (start $start))
