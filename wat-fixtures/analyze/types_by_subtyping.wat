;; A function of a subtype may be called by its supertype, not the other way around.
;; RUN: analyze
(module
  (type $super (sub (func (result anyref))))
  (type $sub (sub final $super (func (result i31ref))))
  (import "env" "fork" (func $fork))
  (memory 1)
  (table funcref (elem $forks))
  (func $forks (type $sub) (call $fork) (ref.i31 (i32.const 1)))
  (func $by_super (export "a") (param i32) (drop (call_indirect (type $super) (local.get 0))))
  (func $by_sub (export "b") (param i32) (drop (call_indirect (type $sub) (local.get 0))))
  (type $other (func (result i31ref)))
  (func $by_other (export "c") (param i32) (drop (call_indirect (type $other) (local.get 0)))))
