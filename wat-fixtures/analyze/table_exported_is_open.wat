;; The host may write any reference it can obtain into an exported table.
;; RUN: analyze
(module
  (type $t (func))
  (import "env" "fork" (func $fork))
  (memory 1)
  (table (export "table") 4 funcref)
  (elem (i32.const 0) $plain)
  (func $plain (type $t))
  (func $forks (export "forks") (type $t) (call $fork))
  (func $calls (export "calls") (call_indirect (type $t) (i32.const 0))))
