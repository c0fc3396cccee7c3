;; Three memories; without a word about it, frames go to the first. Accesses to each lie below and above sites, and what is in the others
;; goes with a copy.
;; RUN: run
;; INVOKE: run 4
;; INVOKE: run 1
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory $a (export "a") 1)
  (memory $b (export "b") 1 3)
  (memory $c (export "c") i64 1)
  (global $count (mut i32) (i32.const 0))
  (func $f (param $n i32) (result i32)
    (i32.store $b (i32.mul (local.get $n) (i32.const 4)) (call $fork (local.get $n)))
    (i32.store $a (i32.const 64) (i32.add (i32.load $a (i32.const 64)) (local.get $n)))
    (i32.load $b (i32.mul (local.get $n) (i32.const 4)))
    (i32.load $a (i32.const 64))
    (if (local.get $n) (then
      (drop (memory.grow $b (i32.const 1)))
      (i64.store32 $c (i64.extend_i32_u (i32.mul (local.get $n) (i32.const 8)))
        (i64.extend_i32_s (call $f (i32.sub (local.get $n) (i32.const 1)))))))
    (global.set $count (i32.add (global.get $count) (memory.size $b)))
    i32.sub
    (i32.wrap_i64 (i64.load32_u $c (i64.const 8)))
    i32.add
    (i32.add (global.get $count)))
  (func (export "run") (param $n i32) (result i32)
    (call $f (local.get $n))))
