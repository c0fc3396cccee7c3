;; Three loops in each other, each with a site before, in and after the inner one.
;; RUN: run
;; INVOKE: run
(module
  (import "env" "fork" (func $fork (param i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "run") (result i32)
    (local $i i32) (local $j i32) (local $k i32) (local $sum i32)
    (loop $a
      (local.set $j (i32.const 0))
      (local.set $sum (call $fork (local.get $i) (i32.const -1) (local.get $sum)))
      (loop $b
        (local.set $k (i32.const 0))
        (loop $c
          (local.set $sum
            (i32.add (local.get $sum) (call $fork (local.get $i) (local.get $j) (local.get $k))))
          (local.set $k (i32.add (local.get $k) (i32.const 1)))
          (br_if $c (i32.lt_u (local.get $k) (i32.const 2))))
        (local.set $sum (i32.mul (local.get $sum) (call $fork (local.get $i) (local.get $j) (i32.const 9))))
        (local.set $j (i32.add (local.get $j) (i32.const 1)))
        (br_if $b (i32.lt_u (local.get $j) (i32.const 2))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $a (i32.lt_u (local.get $i) (i32.const 2))))
    (local.get $sum)))
