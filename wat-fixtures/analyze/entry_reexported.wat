;; The entry is exported again: the host can put it into a table that it sees.
;; RUN: analyze
(module
  (type $t (func))
  (import "env" "fork" (func $fork (type $t)))
  (import "env" "table" (table 1 funcref))
  (memory 1)
  (export "fork" (func $fork))
  (func $calls (export "calls") (call_indirect (type $t) (i32.const 0))))
