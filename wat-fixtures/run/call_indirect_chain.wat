;; Three function pointers in a row on the way to the entry.
;; RUN: run
;; INVOKE: run 5
(module
  (type $a (func (param i32) (result i32)))
  (type $b (func (param i64) (result i64)))
  (type $c (func (param f64) (result f64)))
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory (export "memory") 1)
  (table funcref (elem $fa $fb $fc))
  (func $fa (type $a)
    (i32.add (local.get 0)
      (i32.wrap_i64 (call_indirect (type $b) (i64.extend_i32_s (local.get 0)) (i32.const 1)))))
  (func $fb (type $b)
    (i64.mul (local.get 0)
      (i64.trunc_f64_s (call_indirect (type $c) (f64.convert_i64_s (local.get 0)) (i32.const 2)))))
  (func $fc (type $c)
    (f64.sub (local.get 0) (f64.convert_i32_s (call $fork (i32.const 1)))))
  (func (export "run") (param i32) (result i32)
    (call_indirect (type $a) (local.get 0) (i32.const 0))))
