;; The entry itself is in a table: an indirect call is a site though no function leads there.
;; RUN: analyze
(module
  (type $t (func (result i32)))
  (import "env" "fork" (func $fork (type $t)))
  (memory 1)
  (table funcref (elem $fork))
  (func $calls (export "calls") (result i32) (call_indirect (type $t) (i32.const 0))))
