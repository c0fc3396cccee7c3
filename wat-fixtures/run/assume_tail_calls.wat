;; Guarded tail calls compute what they did, with operands below their arguments and several results.
;; RUN: run
;; ASSUME: only run leaf
;; INVOKE: run 2
;; INVOKE: run 1
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "memory") 1)
  (type $pair (func (param i32) (result i32 i64)))
  (table (export "table") 4 funcref)
  (elem (i32.const 1) $plain $leaf)
  (func $plain (type $pair) (local.get 0) (i64.extend_i32_u (local.get 0)))
  (func $leaf (export "leaf") (type $pair)
    (if (result i32) (local.get 0) (then (call $fork)) (else (i32.const 4)))
    (i64.const 70))
  (func $direct (type $pair)
    (f64.const 1) (local.get 0) (i64.const 8)
    (block $out (br_if $out (local.get 0)) (return_call $leaf (local.get 0)))
    (drop) (drop) (drop)
    (return_call $plain (local.get 0)))
  (func $slot (type $pair)
    (i64.const 8)
    (return_call_indirect (type $pair) (i32.const 0) (i32.add (i32.const 1) (local.get 0))))
  (func $ref (type $pair)
    (return_call_ref $pair (i32.const 0)
      (ref.cast (ref $pair) (table.get (i32.add (i32.const 1) (local.get 0))))))
  (func $sum (param i32 i64) (result i32) (i32.add (local.get 0) (i32.wrap_i64 (local.get 1))))
  (func $run (export "run") (param i32) (result i32)
    (local $sum i32)
    (loop $again
      (local.set $sum (i32.add (local.get $sum) (call $sum (call $leaf (local.get 0)))))
      (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
      (local.set $sum (i32.add (local.get $sum) (call $sum (call $direct (local.get 0)))))
      (local.set $sum (i32.add (local.get $sum) (call $sum (call $slot (local.get 0)))))
      (local.set $sum (i32.add (local.get $sum) (call $sum (call $ref (local.get 0)))))
      (br_if $again (local.get 0)))
    (local.get $sum)))
