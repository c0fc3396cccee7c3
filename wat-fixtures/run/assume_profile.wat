;; Under an assumption that holds, a guarded function computes what it did, between unwinds and rewinds.
;; RUN: run
;; ASSUME: profile run both
;; INVOKE: run 3
;; INVOKE: aside 0
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "memory") 1)
  (global $seen (export "seen") (mut i32) (i32.const 0))
  (type $unary (func (param i32) (result i32)))
  (table (export "table") 4 funcref)
  (elem (i32.const 1) $plain $both)
  (func $plain (type $unary) (i32.mul (local.get 0) (i32.const 3)))
  ;; Leads to the entry, but never when it comes from $aside.
  (func $both (type $unary)
    (if (result i32) (local.get 0)
      (then (i32.add (call $fork) (local.get 0)))
      (else (i32.const 9))))
  (func $aside (export "aside") (type $unary)
    (local $got i32)
    (local.set $got
      (i32.add (local.get 0)
        (call_indirect (type $unary) (i32.const 0) (i32.add (local.get 0) (i32.const 1)))))
    (i32.store (i32.const 8) (local.get $got))
    (global.set $seen (local.get $got))
    (local.get $got))
  (func $run (export "run") (type $unary)
    (local $sum i32)
    (loop $again
      (local.set $sum (i32.add (local.get $sum) (call $both (local.get 0))))
      (local.set $sum (i32.add (local.get $sum) (call $aside (i32.and (local.get 0) (i32.const 1)))))
      (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get $sum)))
