;; A function outside the closure is copied; a call to it from inside needs no test.
;; RUN: rewrite
(module $m
  (import "env" "fork" (func $fork (result i32)))
  (memory 1)
  (func $plain (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3)))
  (func $f (export "run") (param $x i32) (result i32)
    (i32.add (call $plain (local.get $x)) (call $fork))))
