;; A function calls another, which tail-calls a third with more or fewer parameters, and one that forks. On the way back the frame of the
;; last lies where the first expects that of the second. The second may also fork by itself, before it tail-calls.
;; RUN: run
;; INVOKE: run 1
;; INVOKE: run 2
;; INVOKE: middle 5 6
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (import "env" "log" (func $log (param i32)))
  (memory (export "memory") 1)
  (func $last (param $a i32) (param $b i64) (param $c f64) (result i32)
    (local $sum i32)
    (local.set $sum (i32.add (local.get $a) (i32.wrap_i64 (local.get $b))))
    (call $log (i32.trunc_f64_s (local.get $c)))
    (i32.add (i32.add (call $fork (local.get $a)) (local.get $sum)) (i32.trunc_f64_s (local.get $c))))
  (func $short (result i32) (i32.add (call $fork (i32.const 7)) (i32.const 1)))
  (func $middle (export "middle") (param $x i32) (param $y i32) (result i32)
    (local.get $y)
    (if (i32.and (local.get $x) (i32.const 1))
      (then (return_call $last (local.get $x) (i64.const 30) (f64.convert_i32_s (local.get $y)))))
    (if (i32.eq (local.get $x) (i32.const 2))
      (then (return_call $short)))
    (local.set $y (call $fork (local.get $y)))
    (local.set $y (i32.add (local.get $y)))
    (f32.const 1)
    (return_call $last (local.get $x) (i64.extend_i32_s (local.get $y)) (f64.const 2)))
  (func (export "run") (param $x i32) (result i32)
    (i32.mul (local.get $x) (i32.const 1000))
    (call $middle (local.get $x) (i32.const 10))
    (call $middle (i32.add (local.get $x) (i32.const 1)) (i32.const 20))
    (call $middle (i32.add (local.get $x) (i32.const 3)) (i32.const 30))
    i32.mul
    i32.sub
    i32.add))
