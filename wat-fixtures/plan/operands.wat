;; Operands below a call and below a block, of five types, and one that is a local read before the
;; region writes it.
;; RUN: plan
(module
  (import "env" "fork" (func $fork (result i32)))
  (import "env" "use" (func $use (param i32 i64 f32 f64 v128 i32)))
  (memory 1)
  (func $f (export "run") (param $x i32)
    (local.get $x)
    (i64.const 2)
    (f32.const 3)
    (block (result f64)
      (f64.const 4)
      (local.set $x (call $fork)))
    (i32x4.splat (local.get $x))
    (call $fork)
    (call $use)))
