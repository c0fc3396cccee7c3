;; RUN: shim
;; ALL-SITES:
;; STEP: call narrow 0
;; STEP: call struct 1 2
;; STEP: call vector
;; STEP: call reference
;; STEP: call not_null
;;
;; What would lose bits, may return a structure, or has no conversion traps as before, and the report
;; says why.
(module
  (type $of_i32 (func (param i32) (result i32)))
  (type $of_two (func (param i32 i32) (result i32)))
  (type $of_v128 (func (param v128)))
  (type $of_extern (func (param externref)))
  (type $nothing (func))
  (type $to_nothing (func (param (ref $nothing))))
  (table 5 funcref)
  (elem (i32.const 0) $i64 $struct $i64_too $func $not_null)
  (func $i64 (param i64) (result i32) (i32.const 1))
  (func $struct (param i32 i32 i32) (unreachable))
  (func $i64_too (param i64))
  (func $func (param funcref))
  (func $not_null (type $to_nothing))
  (func (export "narrow") (param i32) (result i32)
    (call_indirect (type $of_i32) (local.get 0) (i32.const 0)))
  (func (export "struct") (param i32 i32) (result i32)
    (call_indirect (type $of_two) (local.get 0) (local.get 1) (i32.const 1)))
  (func (export "vector")
    (call_indirect (type $of_v128) (v128.const i64x2 1 2) (i32.const 2)))
  (func (export "reference")
    (call_indirect (type $of_extern) (ref.null extern) (i32.const 3)))
  (func (export "not_null")
    (call_indirect (type $nothing) (i32.const 4))))
