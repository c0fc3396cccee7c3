;; return_call_indirect through a table that holds a function of the closure.
;; RUN: reject
(module
  (type $t (func (result i32)))
  (import "env" "fork" (func $fork (result i32)))
  (memory 1)
  (table funcref (elem $g))
  (func $g (type $t) (i32.add (call $fork) (i32.const 1)))
  (func $f (export "run") (result i32) (return_call_indirect (type $t) (i32.const 0))))
