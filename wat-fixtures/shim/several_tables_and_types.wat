;; RUN: shim
;; ALL-SITES:
;; STEP: call first 0
;; STEP: call first 1
;; STEP: call second 0
;; STEP: call second 1
;; STEP: call by_void 0
;; STEP: call by_void 1
;;
;; Each type of call through each table has adapters of its own.
(module
  (type $binary (func (param i32 i32) (result i32)))
  (type $void (func))
  (table $a 2 funcref)
  (table $b 2 funcref)
  (global $seen (mut i32) (i32.const 0))
  (elem (table $a) (i32.const 0) func $getter $exact)
  (elem (table $b) (i32.const 0) func $exact $getter)
  (func $exact (type $binary)
    (global.set $seen (i32.add (global.get $seen) (i32.const 1)))
    (i32.sub (local.get 0) (local.get 1)))
  (func $getter (param i32) (result i32)
    (global.set $seen (i32.add (global.get $seen) (i32.const 10)))
    (i32.add (local.get 0) (i32.const 100)))
  (func (export "first") (param i32) (result i32)
    (call_indirect $a (type $binary) (i32.const 10) (i32.const 3) (local.get 0)))
  (func (export "second") (param i32) (result i32)
    (call_indirect $b (type $binary) (i32.const 10) (i32.const 3) (local.get 0)))
  (func (export "by_void") (param i32) (result i32)
    (call_indirect $a (type $void) (local.get 0))
    (global.get $seen)))
