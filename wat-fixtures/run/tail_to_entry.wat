;; Tail calls of the entries themselves: they get the same arguments again, with operands below that a tail call drops, and after a tail
;; call of the function.
;; RUN: run
;; ENTRY: env.fork
;; ENTRY: env.pair
;; INVOKE: run 3
;; INVOKE: leaf 4
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (import "env" "pair" (func $pair (param f64 i64) (result i64 f32)))
  (memory (export "memory") 1)
  (global $g (mut i32) (i32.const 2))
  (func $leaf (export "leaf") (param i32) (result i32)
    (global.set $g (i32.add (global.get $g) (local.get 0)))
    (f64.const 8)
    (i32.mul (local.get 0) (global.get $g))
    (local.set 0 (i32.const 0))
    (return_call $fork))
  (func $both (param $x i32) (result i64 f32)
    (i64.const 9)
    (block $out
      (br_if $out (i32.and (local.get $x) (i32.const 1)))
      (return_call $pair (f64.convert_i32_s (local.get $x)) (i64.const 1)))
    (drop)
    (drop (call $fork (local.get $x)))
    (i64.extend_i32_s (local.get $x))
    (local.set $x (i32.const 6))
    (f64.convert_i32_s (local.get $x))
    (i64.const 2)
    (return_call $pair))
  (func $to_leaf (param $x i64) (result i32) (return_call $leaf (i32.wrap_i64 (local.get $x))))
  (func (export "run") (param $x i32) (result i64)
    (local $f f32)
    (call $both (local.get $x))
    (local.set $f)
    (i64.add (i64.extend_i32_s (call $to_leaf (i64.const 5))))
    (call $both (i32.add (local.get $x) (i32.const 1)))
    (local.set $f (f32.add (local.get $f)))
    (i64.add (i64.trunc_f32_s (local.get $f)))
    i64.mul))
