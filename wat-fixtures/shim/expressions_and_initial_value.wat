;; RUN: shim
;; SITE: apply
;; STEP: call apply 0
;; STEP: call apply 1
;; STEP: call apply 2
;; STEP: call apply 3
;; STEP: call apply 4
;;
;; Segments of expressions, with null and a global among them, and a table with an initial value of a
;; type that can't be null.
(module
  (type $binary (func (param i32 i32) (result i32)))
  (global $exact_too funcref (ref.func $exact))
  (table 5 (ref null func) (ref.func $getter))
  (elem (i32.const 1) funcref (ref.func $exact) (ref.null func) (global.get $exact_too))
  (func $exact (type $binary) (i32.sub (local.get 0) (local.get 1)))
  (func $getter (param i32) (result i32) (i32.add (local.get 0) (i32.const 100)))
  (func (export "apply") (param i32) (result i32)
    (call_indirect (type $binary) (i32.const 10) (i32.const 3) (local.get 0))))
