;; A table that only the module writes: what calls it from outside the closure is guarded, and a call
;; inside the closure is a site, though nothing is assumed to lie behind it.
;; RUN: run
;; ASSUME: table-private table
;; INVOKE: run 3
;; INVOKE: aside 1
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "memory") 1)
  (type $unary (func (param i32) (result i32)))
  (table (export "table") 4 funcref)
  (elem (i32.const 1) $plain $plain)
  (func $plain (type $unary) (i32.mul (local.get 0) (i32.const 3)))
  (func $leaf (export "leaf") (type $unary) (i32.add (call $fork) (local.get 0)))
  (func $aside (export "aside") (type $unary)
    (local $got i32)
    (local.set $got (call_indirect (type $unary) (i32.const 5) (local.get 0)))
    (i32.store (i32.const 8) (local.get $got))
    (local.get $got))
  (func $run (export "run") (type $unary)
    (local $sum i32)
    (loop $again
      (local.set $sum (i32.add (local.get $sum) (call $leaf (local.get 0))))
      (local.set $sum (i32.add (local.get $sum) (call $aside (i32.const 1))))
      (local.set $sum
        (i32.add (local.get $sum) (call_indirect (type $unary) (local.get 0) (i32.const 2))))
      (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get $sum)))
