;; The entry itself is in a table and called indirectly: it needs its original arguments again.
;; RUN: run
;; INVOKE: run 0 41
;; INVOKE: run 1 42
(module
  (type $t (func (param i32 i64) (result i32)))
  (import "env" "fork" (func $fork (param i32 i64) (result i32)))
  (memory (export "memory") 1)
  (table funcref (elem $fork $own))
  (func $own (type $t)
    (local $old i32)
    (local.set $old (local.get 0))
    (local.set 0 (i32.const 3))
    (i32.add (call $fork (local.get $old) (local.get 1)) (local.get $old)))
  (func (export "run") (param $i i32) (param $x i32) (result i32)
    (i32.const 7)
    (call_indirect (type $t)
      (i32.mul (local.get $x) (i32.const 2))
      (i64.extend_i32_s (local.tee $x (i32.const 4)))
      (local.get $i))
    i32.mul
    (i32.add (local.get $x))))
