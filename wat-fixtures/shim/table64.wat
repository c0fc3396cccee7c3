;; RUN: shim
;; SITE: apply
;; SITE: apply_exported
;; STEP: call apply 0
;; STEP: call apply 1
;; STEP: call apply 4294967296
;; STEP: call grow 2
;; STEP: call apply 3
;; STEP: call apply_exported 0
;; STEP: call apply_exported 4294967296
;; STEP: call fill 0 1
;; STEP: call apply_exported 0
;; STEP: call init 0
;; STEP: call apply_exported 0
;;
;; Tables with 64-bit indices, private and exported.
(module
  (type $binary (func (param i32 i32) (result i32)))
  (table $private i64 2 funcref)
  (table $exported (export "table") i64 2 funcref)
  (elem (table $private) (i64.const 0) func $getter $exact)
  (elem (table $exported) (i64.const 0) func $getter $exact)
  (elem $passive func $exact)
  (func $exact (type $binary) (i32.sub (local.get 0) (local.get 1)))
  (func $getter (param i32) (result i32) (i32.add (local.get 0) (i32.const 100)))
  (func (export "apply") (param i64) (result i32)
    (call_indirect $private (type $binary) (i32.const 10) (i32.const 3) (local.get 0)))
  (func (export "apply_exported") (param i64) (result i32)
    (call_indirect $exported (type $binary) (i32.const 10) (i32.const 3) (local.get 0)))
  (func (export "grow") (param i64) (result i64)
    (table.grow $private (ref.func $exact) (local.get 0)))
  (func (export "fill") (param i64 i64)
    (table.fill $exported (local.get 0) (ref.func $exact) (local.get 1)))
  (func (export "init") (param i64)
    (table.init $exported $passive (local.get 0) (i32.const 0) (i32.const 1))))
