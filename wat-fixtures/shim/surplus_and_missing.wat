;; RUN: shim
;; SITE: apply
;; STEP: call apply 1 10 3
;; STEP: call apply 2 10 3
;; STEP: call apply 3 10 3
;; STEP: call apply 4 10 3
;; STEP: call apply 5 10 3
;; STEP: call apply 0 10 3
;; STEP: call apply 6 10 3
;; STEP: call apply 99 10 3
;; STEP: call other 2
;;
;; Surplus arguments are dropped, missing ones are zero, and so with results. A function of the
;; call's own type is called as before; a null slot and one beyond the table trap as before. The
;; call in `other` was not chosen, and traps still.
(module
  (type $binary (func (param i32 i32) (result i32)))
  (table 7 funcref)
  (global $seen (mut i32) (i32.const 0))
  (elem (i32.const 1) $exact $getter $ternary $procedure $sink)
  (func $exact (type $binary) (i32.sub (local.get 0) (local.get 1)))
  (func $getter (param i32) (result i32) (i32.add (local.get 0) (i32.const 100)))
  (func $ternary (param i32 i32 i32) (result i32)
    (i32.add (i32.mul (local.get 0) (local.get 1)) (local.get 2)))
  (func $procedure (param i32 i32) (global.set $seen (local.get 1)))
  (func $sink (global.set $seen (i32.add (global.get $seen) (i32.const 1))))
  (func (export "apply") (param i32 i32 i32) (result i32)
    (i32.add
      (i32.mul (i32.const 1000) (global.get $seen))
      (call_indirect (type $binary) (local.get 1) (local.get 2) (local.get 0))))
  (func (export "other") (param i32) (result i32)
    (call_indirect (type $binary) (i32.const 1) (i32.const 2) (local.get 0))))
