;; RUN: shim
;; SITE: procedure
;; SITE: pair
;; STEP: call procedure 0
;; STEP: call procedure 1
;; STEP: call procedure 2
;; STEP: call pair 0
;; STEP: call pair 1
;; STEP: call pair 2
;; STEP: call pair 3
;;
;; Surplus results are dropped, missing ones are zero, from the end.
(module
  (type $procedure (func (param i32)))
  (type $pair (func (param i32) (result i32 i64)))
  (table 4 funcref)
  (elem (i32.const 0) $none $one $two $three)
  (func $none (param i32))
  (func $one (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
  (func $two (type $pair) (local.get 0) (i64.const 2))
  (func $three (param i32) (result i32 i64 f64) (local.get 0) (i64.const 3) (f64.const 4))
  (func (export "procedure") (param i32) (result i32)
    (call_indirect (type $procedure) (i32.const 7) (local.get 0))
    (i32.const 1))
  (func (export "pair") (param i32) (result i32 i64)
    (call_indirect (type $pair) (i32.const 7) (local.get 0))))
