;; RUN: shim
;; ALL-SITES:
;; STEP: call of_super 0
;; STEP: call of_super 1
;; STEP: call of_super 2
;; STEP: call of_sub 0
;; STEP: call of_sub 1
;;
;; A function of a subtype is accepted as it is. One of the supertype is not, where the subtype is
;; asked for: an adapter of the subtype stands for it.
(module
  (type $super (sub (func (param i32) (result i32))))
  (type $sub (sub $super (func (param i32) (result i32))))
  (type $other (func (result i32)))
  (table 3 funcref)
  (elem (i32.const 0) $of_super $of_sub $of_other)
  (func $of_super (type $super) (i32.add (local.get 0) (i32.const 1)))
  (func $of_sub (type $sub) (i32.add (local.get 0) (i32.const 2)))
  (func $of_other (type $other) (i32.const 3))
  (func (export "of_super") (param i32) (result i32)
    (call_indirect (type $super) (i32.const 10) (local.get 0)))
  (func (export "of_sub") (param i32) (result i32)
    (call_indirect (type $sub) (i32.const 10) (local.get 0))))
