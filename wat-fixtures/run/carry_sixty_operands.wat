;; Many operands below a site at once, of mixed types.
;; RUN: run
;; INVOKE: run 3
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "memory") 1)
  (func (export "run") (param $x i32) (result f64)
    (f64.convert_i32_s (local.get $x))
    (f64.const 1.5) (f64.const 2.5) (f64.const 3.5) (f64.const 4.5) (f64.const 5.5)
    (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5) (i64.const 6)
    (i32.const 1) (i32.const 2) (i32.const 3) (i32.const 4) (i32.const 5) (i32.const 6)
    (i32.const 7) (i32.const 8) (i32.const 9) (i32.const 10) (i32.const 11) (i32.const 12)
    call $fork
    i32.add i32.sub i32.mul i32.add i32.sub i32.mul i32.add i32.sub i32.mul i32.add i32.sub i32.mul
    i64.extend_i32_s
    i64.add i64.sub i64.mul i64.add i64.sub i64.mul
    f64.convert_i64_s
    f64.add f64.sub f64.mul f64.add f64.sub f64.add))
