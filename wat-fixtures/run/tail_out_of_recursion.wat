;; Ordinary calls and tail calls of the same few functions, mixed over many levels, with frames of different sizes.
;; RUN: run
;; INVOKE: run 9
;; INVOKE: run 6
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory (export "memory") 1)
  (global $seed (mut i32) (i32.const 1))
  (func $next (result i32)
    (global.set $seed (i32.add (i32.mul (global.get $seed) (i32.const 1103515245)) (i32.const 12345)))
    (i32.and (i32.shr_u (global.get $seed) (i32.const 16)) (i32.const 3)))
  (func $wide (param $n i32) (param $a i64) (param $v v128) (result i32)
    (local $f f64)
    (if (i32.le_s (local.get $n) (i32.const 0)) (then (return (call $fork (i32.const 1)))))
    (local.set $f (f64.convert_i64_s (local.get $a)))
    (if (i32.eqz (call $next)) (then (return_call $narrow (i32.sub (local.get $n) (i32.const 1)))))
    (i32.add
      (call $narrow (i32.sub (local.get $n) (i32.const 2)))
      (i32.add (i32.trunc_f64_s (local.get $f)) (i32x4.extract_lane 1 (local.get $v)))))
  (func $narrow (param $n i32) (result i32)
    (if (i32.le_s (local.get $n) (i32.const 0)) (then (return_call $fork (i32.const 2))))
    (if (i32.and (call $next) (i32.const 1))
      (then (return_call $wide (i32.sub (local.get $n) (i32.const 1)) (i64.extend_i32_s (local.get $n)) (v128.const i32x4 1 2 3 4))))
    (loop $again (result i32)
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if $again (i32.eq (call $next) (i32.const 2)))
      (i32.sub (call $wide (local.get $n) (i64.const 12) (v128.const i64x2 7 8)) (local.get $n))))
  (func (export "run") (param $n i32) (result i32)
    (i32.add (call $narrow (local.get $n)) (call $wide (local.get $n) (i64.const 1) (v128.const i64x2 1 1)))))
