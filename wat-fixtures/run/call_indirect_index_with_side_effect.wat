;; The index comes from a call that counts: it must not be computed again.
;; RUN: run
;; INVOKE: run
(module
  (type $t (func (param i32) (result i32)))
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory (export "memory") 1)
  (global $n (export "n") (mut i32) (i32.const -1))
  (table funcref (elem $a $b $a))
  (func $a (type $t) (i32.add (call $fork (local.get 0)) (i32.const 1000)))
  (func $b (type $t) (i32.sub (call $fork (local.get 0)) (i32.const 1000)))
  (func $next (result i32)
    (global.set $n (i32.add (global.get $n) (i32.const 1)))
    (global.get $n))
  (func (export "run") (result i32)
    (i32.mul
      (call_indirect (type $t) (i32.const 5) (call $next))
      (i32.add
        (call_indirect (type $t) (i32.const 6) (call $next))
        (call_indirect (type $t) (i32.const 7) (call $next))))))
