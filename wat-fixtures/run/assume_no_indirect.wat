;; No entry is below an indirect call: a function outside of the closure may make such calls, and each that might lead into it is guarded. A call
;; inside of it is a site all the same.
;; RUN: run
;; ASSUME: no-indirect
;; INVOKE: run 3
;; INVOKE: aside 1
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "memory") 1)
  (type $unary (func (param i32) (result i32)))
  (table 4 funcref)
  (elem (i32.const 1) $plain $leaf)
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
        (i32.add (local.get $sum)
          (call_indirect (type $unary) (local.get 0) (select (i32.const 2) (i32.const 1) (i32.and (local.get 0) (i32.const 1))))))
      (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get $sum)))
