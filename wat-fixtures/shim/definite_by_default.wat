;; RUN: shim
;; STEP: call sure 10
;; STEP: call unsure 1
;;
;; Unasked, only a call is repaired whose slot is known.
(module
  (type $binary (func (param i32 i32) (result i32)))
  (table 2 funcref)
  (elem (i32.const 0) $exact $getter)
  (func $exact (type $binary) (i32.sub (local.get 0) (local.get 1)))
  (func $getter (param i32) (result i32) (i32.add (local.get 0) (i32.const 100)))
  (func (export "sure") (param i32) (result i32)
    (call_indirect (type $binary) (local.get 0) (i32.const 3) (i32.const 1)))
  (func (export "unsure") (param i32) (result i32)
    (call_indirect (type $binary) (i32.const 10) (i32.const 3) (local.get 0))))
