;; A table with 64-bit indices: table.size gives an i64 below a site, and indirect sites take one.
;; RUN: run
;; INVOKE: run 1
(module
  (type $t (func (param i32) (result i32)))
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory (export "memory") 1)
  (table $tab i64 5 funcref)
  (elem (table $tab) (i64.const 1) func $a $fork)
  (func $a (type $t) (i32.add (call $fork (local.get 0)) (i32.const 1)))
  (func (export "run") (param $x i32) (result i64)
    (table.size $tab)
    (i64.extend_i32_u (local.get $x))
    (drop (call $fork (i32.const 1)))
    i64.add
    (call_indirect $tab (type $t) (i32.const 2) (i64.extend_i32_u (local.get $x)))
    (call_indirect $tab (type $t) (i32.add (local.get $x) (i32.const 30)) (i64.sub (table.size $tab) (i64.const 3)))
    i32.mul
    i64.extend_i32_s
    i64.mul))
