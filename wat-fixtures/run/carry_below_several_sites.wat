;; Values that lie below several sites leave the operand stack once, and come back where they are used:
;; by an operator, a `local.tee`, a branch that takes them along, the end of a construct, a `drop`.
;; RUN: run
;; INVOKE: results 3
;; INVOKE: teed 3
;; INVOKE: written 3
;; INVOKE: blocks 3
;; INVOKE: branches 0
;; INVOKE: branches 7
;; INVOKE: arms 0
;; INVOKE: arms 1
;; INVOKE: rounds 3
;; INVOKE: nowhere 3
;; INVOKE: left 0
;; INVOKE: left 1
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory (export "memory") 1)
  (func $two (param i32) (result i32 i32) (call $fork (local.get 0)) (i32.const 9))
  (func (export "results") (param $x i32) (result i32)
    (call $fork (i32.const 1)) (call $fork (i32.const 2)) (call $fork (i32.const 3))
    (call $fork (i32.const 4)) i32.sub i32.mul
    (call $fork (i32.const 5)) i32.sub i32.xor)
  (func (export "teed") (param $x i32) (result i32) (local $y i32)
    (i32.mul (local.get $x) (i32.const 11))
    (drop (call $fork (i32.const 1)))
    (local.tee $y)
    (local.set $x (call $fork (local.get $y)))
    (i32.add (local.tee $y (call $fork (local.get $y))))
    (i32.add (i32.mul (local.get $x) (local.get $y))))
  ;; The local that a value is a copy of is written below the second site, in a block, and after the last.
  (func (export "written") (param $x i32) (result i32) (local $y i32) (local $z i32)
    (local.set $y (i32.const 50))
    (local.set $z (i32.const 60))
    (local.get $x) (local.get $y) (local.get $z)
    (drop (call $fork (i32.const 1)))
    (local.set $x (i32.const 1000))
    (drop (call $fork (i32.const 2)))
    (block (local.set $y (call $fork (i32.const 3))))
    (drop (call $fork (i32.const 4)))
    (local.set $z (i32.const 3000))
    i32.sub i32.sub
    (i32.add (i32.add (i32.add (local.get $x) (local.get $y)) (local.get $z))))
  (func (export "blocks") (param $x i32) (result i32)
    (call $fork (i32.const 1))
    (block (result i32)
      (call $fork (i32.const 2))
      (block (result i32) (call $fork (i32.const 3)) (call $fork (i32.const 4)) i32.sub)
      (call $fork (i32.const 5)) i32.sub i32.sub)
    (call $two (i32.const 6))
    (loop (param i32) (result i32) (call $fork (i32.const 7)) i32.sub)
    (call $fork (i32.const 8)) i32.sub i32.sub i32.sub i32.sub)
  (func (export "branches") (param $x i32) (result i32)
    (call $fork (i32.const 1))
    (block $out (result i32 i32)
      (call $fork (i32.const 2))
      (call $two (i32.const 3))
      (br_if $out (local.get $x))
      (call $fork (i32.const 4))
      i32.sub
      (br $out))
    i32.sub
    (call $fork (i32.const 5)) i32.sub i32.sub)
  (func (export "arms") (param $x i32) (result i32)
    (call $two (i32.const 1))
    (call $fork (i32.const 2))
    (local.get $x)
    (if (param i32 i32) (result i32)
      (then (call $fork (i32.const 3)) i32.sub i32.sub)
      (else (call $fork (i32.const 4)) (call $fork (i32.const 5)) i32.sub i32.sub i32.xor))
    (call $fork (i32.const 6)) i32.sub i32.sub)
  (func (export "rounds") (param $x i32) (result i32)
    (call $fork (i32.const 1)) (i32.const 0)
    (loop $again (param i32 i32) (result i32 i32)
      (i32.add (call $fork (i32.const 2)))
      (call $fork (i32.const 3))
      (local.set $x (i32.sub (local.get $x) (i32.const 1)))
      i32.sub
      (br_if $again (local.get $x)))
    (call $fork (i32.const 4)) i32.sub i32.sub)
  ;; Values that nobody looks at.
  (func (export "nowhere") (param $x i32) (result i32) (local $y i32)
    (local.get $x)
    (call $fork (i32.const 1))
    (local.tee $y (call $fork (i32.const 2)))
    (call $fork (i32.const 3))
    drop
    (drop (call $fork (i32.const 4)))
    drop drop
    (i32.add (local.get $y)))
  ;; Code that is left with values still there.
  (func (export "left") (param $x i32) (result i32)
    (call $fork (i32.const 1))
    (call $fork (i32.const 2))
    (block $out (result i32)
      (call $two (i32.const 3))
      (if (local.get $x)
        (then (call $fork (i32.const 4)) (call $fork (i32.const 5)) (return)))
      (br $out))
    (call $fork (i32.const 6))
    (return (i32.sub (i32.sub)))))
