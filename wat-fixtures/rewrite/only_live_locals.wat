;; Of four locals only the one that is used after the site is saved.
;; RUN: rewrite
(module $m
  (import "env" "fork" (func $fork (result i32)))
  (import "env" "use" (func $use (param i32 i64 f64)))
  (memory 1)
  (func $f (export "run") (param $a i32) (param $b i32)
    (local $c i64) (local $d f64)
    (local.set $c (i64.const 5))
    (call $use (local.get $a) (local.get $c) (local.get $d))
    (drop (call $fork))
    (call $use (local.get $b) (i64.const 0) (f64.const 0))))
