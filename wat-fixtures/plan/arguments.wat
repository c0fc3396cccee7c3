;; Which arguments are kept: those of entries and of indirect sites, not of direct calls.
;; RUN: plan
(module
  (type $t (func (param i32 i64) (result i32)))
  (import "env" "fork" (func $fork (type $t)))
  (memory 1)
  (table funcref (elem $g $fork))
  (func $g (type $t) (call $fork (local.get 0) (local.get 1)))
  (func $f (export "run") (param $x i32) (result i32)
    (i32.add
      (call $g (local.get $x) (i64.const 1))
      (call_indirect (type $t) (local.get $x) (i64.const 2) (local.get $x)))))
