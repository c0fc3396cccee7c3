;; A tail call through a table into which the host may put the entry, beside the function itself: as a call it would take stack space for
;; each round, and what the host puts there has no stand-in.
;; RUN: reject
(module
  (type $t (func (param i32) (result i32)))
  (import "env" "fork" (func $fork (type $t)))
  (memory 1)
  (table $t (export "table") funcref (elem $fork $round))
  (export "fork" (func $fork))
  (func $round (export "round") (type $t)
    (return_call_indirect $t (type $t) (local.get 0) (i32.and (local.get 0) (i32.const 1)))))
