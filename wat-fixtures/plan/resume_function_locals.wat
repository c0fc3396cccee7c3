;; A resume function declares only the locals that are left in it, and numbers them anew.
;; RUN: plan
;; OPTIMIZE: speed
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory 1)
  (func (export "run") (param $before i32) (param $live i64) (param $never f32) (result i64)
    (local $too_early f64) (local $later i32) (local $r externref)
    (local.set $too_early (f64.convert_i32_s (local.get $before)))
    (local.set $before (i32.trunc_f64_s (local.get $too_early)))
    (i64.const 5)
    (drop (call $fork (local.get $before)))
    (local.set $later (i32.const 1))
    (i64.add (i64.extend_i32_s (local.get $later)))
    (i64.add (local.get $live))))
