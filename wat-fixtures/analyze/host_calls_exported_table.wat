;; $forks is not exported itself, but it is in an exported table: the host can have it there and call
;; it back, so $calls_back is in the closure.
;; RUN: analyze
(module
  (import "env" "fork" (func $fork))
  (import "env" "invoke_v" (func $invoke (param i32)))
  (memory 1)
  (table (export "table") 1 funcref)
  (elem (i32.const 0) $forks)
  (func $forks (call $fork))
  (func $calls_back (export "calls_back") (call $invoke (i32.const 0))))
