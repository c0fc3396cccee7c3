;; RUN: shim
;; SITE: apply
;; STEP: call apply 1
;; STEP: call apply 2
;; STEP: call apply 3
;; STEP: host-set-and-sync table 2 exact
;; STEP: call apply 2
;; STEP: host-set-and-sync table 9 exact
;; STEP: call apply 9
;; STEP: call apply 20
;; STEP: host-call table 1 5
;;
;; An imported table may be larger than what this module puts there; an imported function in it is
;; adapted like others.
(module
  (import "env" "table" (table 16 funcref))
  (import "env" "imported" (func $imported (param i32) (result i32)))
  (type $binary (func (param i32 i32) (result i32)))
  (elem (i32.const 1) func $imported $getter)
  (func $exact (export "exact") (type $binary) (i32.sub (local.get 0) (local.get 1)))
  (func $getter (param i32) (result i32) (i32.add (local.get 0) (i32.const 100)))
  (func (export "apply") (param i32) (result i32)
    (call_indirect (type $binary) (i32.const 10) (i32.const 3) (local.get 0))))
