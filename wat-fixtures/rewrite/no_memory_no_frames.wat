;; A module without memory in which no function leads to the entry: the host finds the functions that it expects, over a memory in
;; which nothing is.
;; RUN: rewrite
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (import "env" "log" (func $log (param i32)))
  (global $count (mut i32) (i32.const 0))
  (export "fork" (func $fork))
  (func (export "run") (param $x i32) (result i32)
    (global.set $count (i32.add (global.get $count) (local.get $x)))
    (call $log (global.get $count))
    (global.get $count)))
