;; A loop of tail calls through a table that holds the entry and the function itself: its rounds take no stack space, and the entry that
;; ends it gets its arguments again, for its stand-in has a frame.
;; RUN: run
;; STAND-INS: of the entry
;; INVOKE: run 3
;; INVOKE: run 30000
(module
  (type $t (func (param i32 i64) (result i32)))
  (import "env" "fork" (func $fork (type $t)))
  (memory (export "memory") 1)
  (table $t funcref (elem $fork $round))
  (func $round (type $t)
    (return_call_indirect $t (type $t)
      (i32.sub (local.get 0) (i32.const 1))
      (i64.add (local.get 1) (i64.extend_i32_u (local.get 0)))
      (i32.gt_s (local.get 0) (i32.const 0))))
  (func (export "run") (param $x i32) (result i32)
    (i32.add
      (i32.mul (call $round (local.get $x) (i64.const 5)) (i32.const 3))
      (call $round (i32.const 1) (i64.const 6)))))
