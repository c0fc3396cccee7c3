;; Vector instructions around a site: lanes, shuffles, lane loads and stores, comparisons.
;; RUN: run
;; INVOKE: run 3
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "memory") 1)
  (func (export "run") (param $x i32) (result i64)
    (local $v v128)
    (v128.store (i32.const 32) (v128.const i8x16 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15))
    (local.set $v (i16x8.mul (i16x8.splat (local.get $x)) (v128.load (i32.const 32))))
    (i8x16.shuffle 0 17 2 19 4 21 6 23 8 25 10 27 12 29 14 31
      (local.get $v) (v128.load8_splat (i32.const 35)))
    (v128.load32_lane 2 (i32.const 36) (local.get $v))
    (i32x4.replace_lane 1 (call $fork))
    (v128.store16_lane 3 (i32.const 64) (local.get $v))
    i8x16.add
    (v128.bitselect (local.get $v) (i32x4.lt_s (local.get $v) (v128.load (i32.const 32))))
    (local.tee $v)
    (i64x2.extract_lane 0)
    (i64x2.extract_lane 1 (i32x4.add (local.get $v) (i32x4.splat (call $fork))))
    i64.xor
    (i64.add (i64.load (i32.const 64)))))
