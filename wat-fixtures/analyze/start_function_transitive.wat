;; The start function is run by the host when the module is instantiated: it is a caller like any
;; other, and in the closure by what it calls.
;; RUN: analyze
(module
  (import "env" "fork" (func $fork))
  (memory 1)
  (func $start (call $below))
  (func $below (call $fork))
  (func $not_called (export "not_called"))
  (start $start))
