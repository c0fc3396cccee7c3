;; RUN: shim
;; SITE: pick
;; SITE: count
;; STEP: call jump 0 5
;; STEP: call jump 1 5
;; STEP: call jump 2 5
;; STEP: call deep 200000
;;
;; Tail calls stay tail calls; through an adapter too, if it has nothing to do to the results.
(module
  (type $binary (func (param i32 i32) (result i32)))
  (table 4 funcref)
  (elem (i32.const 0) $exact $one $none $count)
  (func $exact (type $binary) (i32.add (local.get 0) (local.get 1)))
  (func $one (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))
  (func $none (param i32 i32))
  (func $count (param i32) (result i32)
    (if (i32.eqz (local.get 0)) (then (return (i32.const 77))))
    (return_call_indirect (type $binary)
      (i32.sub (local.get 0) (i32.const 1)) (i32.const 0) (i32.const 3)))
  (func $pick (param i32 i32) (result i32)
    (return_call_indirect (type $binary) (local.get 1) (i32.const 1) (local.get 0)))
  (func (export "jump") (param i32 i32) (result i32)
    (call $pick (local.get 0) (local.get 1)))
  (func (export "deep") (param i32) (result i32) (call $count (local.get 0))))
