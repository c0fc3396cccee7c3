;; Over a memory with 64-bit addresses: values of all types below sites, addresses among them, and globals of every type.
;; RUN: run
;; INVOKE: run 5
;; INVOKE: run 2
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (import "env" "log" (func $log (param i64 i32)))
  (memory (export "memory") i64 1)
  (global $a (export "a") (mut i32) (i32.const 1))
  (global $b (export "b") (mut i64) (i64.const 4096))
  (global $c (export "c") (mut f32) (f32.const 3))
  (global $v (mut v128) (v128.const i32x4 1 2 3 4))
  (global $d (export "d") (mut f64) (f64.const 4))
  (func $f (param $n i32) (param $at i64) (result i64)
    (local $half f64)
    (local.set $half (f64.div (f64.convert_i32_u (local.get $n)) (f64.const 2)))
    (global.set $b (i64.sub (global.get $b) (i64.const 16)))
    (i32.store offset=8 (global.get $b) (local.get $n))
    (i64.add (local.get $at) (i64.const 8))
    (i64.load32_u offset=8 (global.get $b))
    (i32.store (local.get $at) (call $fork (local.get $n)))
    (global.set $a (i32.add (global.get $a) (i32.load (local.get $at))))
    (if (result i64) (local.get $n)
      (then (call $f (i32.sub (local.get $n) (i32.const 1)) (i64.add (local.get $at) (i64.const 4))))
      (else (memory.size)))
    i64.mul
    i64.add
    (call $log (local.get $at) (i32.load (local.get $at)))
    (global.set $d (f64.add (global.get $d) (local.get $half)))
    (global.set $c (f32.mul (global.get $c) (f32.const 1.5)))
    (global.set $v (i64x2.add (global.get $v) (i64x2.splat (local.get $at))))
    (i64.add (i64x2.extract_lane 1 (global.get $v)))
    (global.set $b (i64.add (global.get $b) (i64.const 16))))
  (func (export "run") (param $n i32) (result i64)
    (call $f (local.get $n) (i64.const 512))))
