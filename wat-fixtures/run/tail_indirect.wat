;; `return_call_indirect` through a table, by indices that change meanwhile, to functions of several types: some of the closure, one not. The
;; table isn't read again on a rewind.
;; RUN: run
;; INVOKE: run 0
;; INVOKE: run 1
;; INVOKE: run 2
;; INVOKE: run 3
(module
  (type $t (func (param i32 i32) (result i32)))
  (type $u (func (param i64) (result i32)))
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory (export "memory") 1)
  (table $t 8 funcref)
  (elem (table $t) (i32.const 0) func $a $b $c $d $e)
  (global $slot (mut i32) (i32.const 0))
  (func $a (type $t)
    (global.set $slot (i32.const 4))
    (i32.add (call $fork (local.get 0)) (local.get 1)))
  (func $b (type $t) (i32.sub (local.get 0) (local.get 1)))
  (func $c (type $t)
    (local.set 0 (call $fork (local.get 1)))
    (global.set $slot (i32.and (i32.add (global.get $slot) (i32.const 1)) (i32.const 1)))
    (return_call_indirect $t (type $t) (local.get 0) (i32.const 5) (global.get $slot)))
  (func $d (type $t)
    (return_call_indirect $t (type $u) (i64.extend_i32_s (local.get 0)) (i32.const 4)))
  (func $e (type $u)
    (i32.add (i32.wrap_i64 (local.get 0)) (call $fork (i32.const 44))))
  (func (export "run") (param $slot i32) (result i32)
    (global.set $slot (local.get $slot))
    (i32.mul
      (call_indirect $t (type $t) (i32.const 3) (i32.const 4) (local.get $slot))
      (call $twice (i32.const 2))))
  (func $twice (param i32) (result i32)
    (if (i32.eqz (local.get 0)) (then (return_call $d (i32.const 1) (i32.const 2))))
    (i32.add (local.get 0) (call $twice (i32.sub (local.get 0) (i32.const 1))))))
