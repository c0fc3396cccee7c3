;; RUN: shim
;; SITE: apply
;; STEP: call apply 0
;; STEP: call apply 1
;; STEP: call apply 2
;; STEP: call apply 3
;;
;; A table of the module's own, filled at an offset that is not known, and in part a second time: its
;; parallel is filled in the same way.
(module
  (import "env" "base" (global $base i32))
  (type $binary (func (param i32 i32) (result i32)))
  (table 4 funcref)
  (elem (global.get $base) func $getter $getter $exact)
  (elem (i32.const 2) func $exact)
  (func $exact (type $binary) (i32.sub (local.get 0) (local.get 1)))
  (func $getter (param i32) (result i32) (i32.add (local.get 0) (i32.const 100)))
  (func (export "apply") (param i32) (result i32)
    (call_indirect (type $binary) (i32.const 10) (i32.const 3) (local.get 0))))
