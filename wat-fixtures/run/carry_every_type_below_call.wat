;; Values of every numeric type and v128 below a site survive, in their order.
;; RUN: run
;; INVOKE: run 5
(module
  (import "env" "fork" (func $fork (result i32)))
  (import "env" "log" (func $log (param i32 i64 f32 f64 v128 i32)))
  (memory (export "memory") 1)
  (func (export "run") (param $x i32)
    (i32.add (local.get $x) (i32.const 1))
    (i64.mul (i64.extend_i32_s (local.get $x)) (i64.const 0x1_0000_0001))
    (f32.add (f32.convert_i32_s (local.get $x)) (f32.const 0.5))
    (f64.div (f64.convert_i32_s (local.get $x)) (f64.const 3))
    (i32x4.splat (local.get $x))
    call $fork
    call $log))
