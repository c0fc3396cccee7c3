;; RUN: shim
;; ALL-SITES:
;; STEP: call arguments
;; STEP: call results
;;
;; What is missing is zero in every numeric type, in vectors, and null in references.
(module
  (type $nothing (func))
  (type $everything (func (result i32 i64 f32 f64 v128 funcref externref)))
  (global $sum (mut i64) (i64.const -1))
  (table 2 funcref)
  (elem (i32.const 0) $wants $nothing)
  (func $nothing (type $nothing))
  (func $wants (param i32 i64 f32 f64 v128 funcref externref)
    (global.set $sum
      (i64.add (i64.extend_i32_u (local.get 0))
      (i64.add (local.get 1)
      (i64.add (i64.extend_i32_u (i32.reinterpret_f32 (local.get 2)))
      (i64.add (i64.reinterpret_f64 (local.get 3))
      (i64.add (i64x2.extract_lane 0 (local.get 4))
      (i64.add (i64x2.extract_lane 1 (local.get 4))
      (i64.extend_i32_u
        (i32.add (i32.eqz (ref.is_null (local.get 5)))
                 (i32.eqz (ref.is_null (local.get 6)))))))))))))
  (func (export "arguments") (result i64)
    (call_indirect (type $nothing) (i32.const 0))
    (global.get $sum))
  (func (export "results") (result i32 i64 f32 f64 v128 funcref externref)
    (call_indirect (type $everything) (i32.const 1))))
