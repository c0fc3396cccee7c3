;; br_on_null and ref.is_null between sites: references that live only between them.
;; RUN: run
;; INVOKE: run 0
;; INVOKE: run 1
(module
  (type $t (func (param i32) (result i32)))
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory (export "memory") 1)
  (table $tab 2 funcref)
  (elem (table $tab) (i32.const 1) func $plain)
  (func $plain (type $t) (i32.add (local.get 0) (i32.const 1)))
  (func (export "run") (param $x i32) (result i32)
    (drop (call $fork (i32.const 1)))
    (block $null
      (br_on_null $null (table.get $tab (local.get $x)))
      (drop)
      (return (i32.add (call $fork (i32.const 2)) (call_indirect $tab (type $t) (i32.const 9) (local.get $x)))))
    (i32.sub (call $fork (i32.const 3)) (i32.const 1000))))
