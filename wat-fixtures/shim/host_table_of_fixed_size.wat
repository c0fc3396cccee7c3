;; RUN: shim
;; SITE: apply
;; SITE: apply_imported
;; STEP: call apply 1
;; STEP: call apply 2
;; STEP: host-set-and-sync table 2 exact
;; STEP: call apply 2
;; STEP: host-set table 1 getter
;; STEP: call apply 1
;; STEP: call apply 4
;; STEP: call apply_imported 1
;; STEP: call apply_imported 2
;; STEP: call apply_imported 15
;; STEP: call apply_imported 16
;;
;; A table that can't grow, as linkers make them, has a parallel of its size, and calls need no look at
;; their index; this holds for imported ones too, wherever they are filled. What the host wrote without
;; saying so is not called: that is what the host contract is for (`call apply 1`, by table).
(module
  (import "env" "fixed" (table $fixed 16 16 funcref))
  (import "env" "base" (global $base i32))
  (type $binary (func (param i32 i32) (result i32)))
  (table $own (export "table") 4 4 funcref)
  (elem (table $fixed) (global.get $base) func $getter $exact)
  (elem (table $own) (i32.const 1) func $exact $getter)
  (func $exact (export "exact") (type $binary) (i32.sub (local.get 0) (local.get 1)))
  (func $getter (export "getter") (param i32) (result i32)
    (i32.add (local.get 0) (i32.const 100)))
  (func (export "apply") (param i32) (result i32)
    (call_indirect $own (type $binary) (i32.const 10) (i32.const 3) (local.get 0)))
  (func (export "apply_imported") (param i32) (result i32)
    (call_indirect $fixed (type $binary) (i32.const 10) (i32.const 3) (local.get 0))))
