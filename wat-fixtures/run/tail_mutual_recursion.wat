;; Two functions tail-call each other and fork in turn; at the end one calls the other in the ordinary way, and it all begins again below.
;; RUN: run
;; INVOKE: run 5
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory (export "memory") 1)
  (func $even (param $n i32) (param $depth i32) (param $sum i64) (result i64)
    (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_s (call $fork (local.get $n)))))
    (if (i32.eqz (local.get $n))
      (then
        (if (i32.eqz (local.get $depth)) (then (return (local.get $sum))))
        (return (i64.sub (i64.mul (local.get $sum) (i64.const 3))
          (call $odd (i64.const 1) (i32.const 3) (i32.sub (local.get $depth) (i32.const 1)))))))
    (return_call $odd (local.get $sum) (i32.sub (local.get $n) (i32.const 1)) (local.get $depth)))
  (func $odd (param $sum i64) (param $n i32) (param $depth i32) (result i64)
    (if (i32.eqz (local.get $n))
      (then (return_call $even (i32.const 0) (local.get $depth) (local.get $sum))))
    (if (i32.eq (local.get $n) (i32.const 3))
      (then (local.set $sum (i64.mul (local.get $sum) (i64.extend_i32_s (call $fork (i32.const 99)))))))
    (return_call $even (i32.sub (local.get $n) (i32.const 1)) (local.get $depth) (local.get $sum)))
  (func (export "run") (param $n i32) (result i64)
    (i64.add (call $even (local.get $n) (i32.const 2) (i64.const 0)) (i64.const 1))))
