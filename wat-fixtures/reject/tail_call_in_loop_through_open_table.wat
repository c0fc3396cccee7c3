;; A tail call through a table that holds the entry and the function itself: as a call it would take stack space for each round.
;; RUN: reject
(module
  (type $t (func (param i32) (result i32)))
  (import "env" "fork" (func $fork (type $t)))
  (memory 1)
  (table $t funcref (elem $fork $round))
  (func $round (export "round") (type $t)
    (return_call_indirect $t (type $t) (local.get 0) (i32.and (local.get 0) (i32.const 1)))))
