;; A table and a memory of 64 bits each: sites through the table by an index from memory, which the callee changes; the entry is in the
;; table, too; and a `call_ref` of a `table.get`.
;; RUN: run
;; INVOKE: run 1
;; INVOKE: run 2
(module
  (type $t (func (param i32) (result i32)))
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory (export "memory") i64 1)
  (table $tab i64 9 funcref)
  (elem (table $tab) (i64.const 5) func $a $fork $b)
  (func $a (type $t)
    (i64.store offset=8 (i64.const 64) (i64.const 8))
    (i32.add (call $fork (local.get 0)) (i32.const 1)))
  (func $b (type $t)
    (i64.store offset=8 (i64.const 64) (i64.const 5))
    (i32.mul (call_indirect $tab (type $t) (local.get 0) (i64.load offset=8 (i64.const 64))) (i32.const 3)))
  (func (export "run") (param $x i32) (result i32)
    (i64.store offset=8 (i64.const 64) (i64.add (i64.const 4) (i64.extend_i32_u (local.get $x))))
    (i32.mul (local.get $x) (i32.const 1000))
    (call_indirect $tab (type $t) (local.get $x) (i64.load offset=8 (i64.const 64)))
    i32.add
    (call_ref $t (i32.const 9) (ref.cast (ref $t) (table.get $tab (i64.const 7))))
    i32.sub))
