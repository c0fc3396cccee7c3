;; An indirect site with operands below it and an index that is computed.
;; RUN: run
;; INVOKE: run 0
;; INVOKE: run 1
(module
  (type $t (func (param i32) (result i32)))
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory (export "memory") 1)
  (table 4 funcref)
  (elem (i32.const 1) $a $b)
  (func $a (type $t) (i32.add (call $fork (local.get 0)) (i32.const 1)))
  (func $b (type $t) (i32.mul (call $fork (local.get 0)) (i32.const 2)))
  (func (export "run") (param $x i32) (result i64)
    (i64.const 500)
    (i32.const 3)
    (call_indirect (type $t) (i32.const 9) (i32.add (local.get $x) (i32.const 1)))
    i32.mul
    i64.extend_i32_s
    i64.sub))
