;; RUN: shim
;; ALL-SITES:
;; ALLOW-BIT-CASTS:
;; STEP: call wrap 4294967303
;; STEP: call extend -1
;; STEP: call floats 1.5 2.5
;; STEP: call bits 1065353216 4607182418800017408
;; STEP: call widths 1.5
;;
;; With permission, numbers change their type bit by bit: i32 and i64 by wrapping and extending with
;; zeros, floats as their bits. Nothing turns an f32 into an f64.
(module
  (type $of_i64 (func (param i64) (result i64)))
  (type $of_i32 (func (param i32) (result i32)))
  (type $of_floats (func (param f32 f64) (result f32 f64)))
  (type $of_bits (func (param i32 i64) (result i32 i64)))
  (type $of_f32 (func (param f32) (result f32)))
  (table 5 funcref)
  (elem (i32.const 0) $i32 $i64 $bits $floats $f64)
  (func $i32 (type $of_i32) (i32.sub (local.get 0) (i32.const 8)))
  (func $i64 (type $of_i64) (i64.add (local.get 0) (i64.const 1)))
  (func $bits (type $of_bits) (local.get 0) (i64.add (local.get 1) (i64.const 1)))
  (func $floats (type $of_floats) (f32.neg (local.get 0)) (f64.neg (local.get 1)))
  (func $f64 (param f64) (result f64) (local.get 0))
  (func (export "wrap") (param i64) (result i64)
    (call_indirect (type $of_i64) (local.get 0) (i32.const 0)))
  (func (export "extend") (param i32) (result i32)
    (call_indirect (type $of_i32) (local.get 0) (i32.const 1)))
  (func (export "floats") (param f32 f64) (result f32 f64)
    (call_indirect (type $of_floats) (local.get 0) (local.get 1) (i32.const 2)))
  (func (export "bits") (param i32 i64) (result i32 i64)
    (call_indirect (type $of_bits) (local.get 0) (local.get 1) (i32.const 3)))
  (func (export "widths") (param f32) (result f32)
    (call_indirect (type $of_f32) (local.get 0) (i32.const 4))))
