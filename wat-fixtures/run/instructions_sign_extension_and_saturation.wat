;; Sign extension and saturating conversions around sites come by themselves.
;; RUN: run
;; INVOKE: run 200
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "memory") 1)
  (func (export "run") (param $x i32) (result i64)
    (i64.extend8_s (i64.extend_i32_u (local.get $x)))
    (i32.extend16_s (i32.mul (local.get $x) (i32.const 300)))
    (i32.extend8_s (i32.add (call $fork) (local.get $x)))
    i32.sub
    i64.extend_i32_u
    i64.extend32_s
    (i64.trunc_sat_f64_u (f64.convert_i32_s (call $fork)))
    i64.add
    i64.mul))
