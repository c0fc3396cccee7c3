;; RUN: shim
;; SITE: apply
;; STEP: call apply 0
;; STEP: call apply 1
;;
;; Code that can't run may change tables too, beside a repaired call.
(module
  (type $binary (func (param i32 i32) (result i32)))
  (table 2 funcref)
  (elem (i32.const 0) $exact $getter)
  (func $exact (type $binary) (i32.sub (local.get 0) (local.get 1)))
  (func $getter (param i32) (result i32) (i32.add (local.get 0) (i32.const 100)))
  (func (export "apply") (param i32) (result i32)
    (return (call_indirect (type $binary) (i32.const 10) (i32.const 3) (local.get 0)))
    (table.set (i32.const 0) (ref.func $getter))
    (table.fill (i32.const 0) (ref.null func) (i32.const 2))
    (drop (table.grow (ref.null func) (i32.const 2)))))
