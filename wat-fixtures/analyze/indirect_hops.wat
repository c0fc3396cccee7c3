;; A chain of four function pointers, one behind the other.
;; RUN: analyze
(module
  (type $a (func (param i32)))
  (type $b (func (param i64)))
  (type $c (func (param f32)))
  (type $d (func (param f64)))
  (import "env" "fork" (func $fork))
  (memory 1)
  (table funcref (elem $fa $fb $fc $fd))
  (func $fa (type $a) (call_indirect (type $b) (i64.const 0) (local.get 0)))
  (func $fb (type $b) (call_indirect (type $c) (f32.const 0) (i32.wrap_i64 (local.get 0))))
  (func $fc (type $c) (call_indirect (type $d) (f64.const 0) (i32.trunc_f32_s (local.get 0))))
  (func $fd (type $d) (call $fork))
  (func $run (export "run") (param i32) (call_indirect (type $a) (i32.const 1) (local.get 0)))
  (func $not (export "not") (call $plain))
  (func $plain))
