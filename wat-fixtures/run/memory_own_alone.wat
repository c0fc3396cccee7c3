;; A module without memory gets one for its frames.
;; RUN: run
;; OWN-MEMORY:
;; INVOKE: run 7
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (global $sum (export "sum") (mut i64) (i64.const 0))
  (func $fib (param $n i32) (result i64)
    (if (i32.lt_u (local.get $n) (i32.const 2))
      (then (return (i64.extend_i32_u (call $fork (local.get $n))))))
    (i64.add
      (call $fib (i32.sub (local.get $n) (i32.const 1)))
      (call $fib (i32.sub (local.get $n) (i32.const 2)))))
  (func (export "run") (param $n i32) (result i64)
    (global.set $sum (i64.add (global.get $sum) (call $fib (local.get $n))))
    (global.get $sum)))
