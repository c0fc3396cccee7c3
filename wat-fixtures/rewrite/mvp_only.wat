;; A module of the first version of WebAssembly stays one: no proposal is needed that it didn't use.
;; RUN: rewrite
(module $m
  (import "env" "fork" (func $fork (result i32)))
  (memory 1)
  (func $f (export "run") (param $a i32) (param $b i64) (param $c f32) (param $d f64) (result f64)
    (f64.store (i32.const 8)
      (f64.add (f64.convert_i32_s (call $fork)) (f64.convert_i32_s (local.get $a))))
    (f64.add (f64.convert_i64_s (local.get $b))
      (f64.add (f64.promote_f32 (local.get $c)) (local.get $d)))))
