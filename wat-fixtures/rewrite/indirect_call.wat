;; An indirect site keeps its index, and its arguments because the entry may be the target.
;; RUN: rewrite
(module $m
  (type $t (func (param i32) (result i32)))
  (import "env" "fork" (func $fork (type $t)))
  (memory 1)
  (table funcref (elem $fork $g))
  (func $g (type $t) (call $fork (i32.const 2)))
  (func $f (export "run") (param $x i32) (result i32)
    (call_indirect (type $t) (local.get $x) (i32.load (local.get $x)))))
