;; RUN: shim
;; SITE: apply
;; STEP: call apply 1
;; STEP: call apply 2
;; STEP: host-call table 2 5
;; STEP: host-set-and-sync table 1 getter
;; STEP: call apply 1
;; STEP: host-set-and-sync table 2 exact
;; STEP: call apply 2
;; STEP: host-grow table 2 exact
;; STEP: call apply 4
;; STEP: host-set-and-sync table 5 getter
;; STEP: call apply 5
;; STEP: call apply 6
;; STEP: call set 3 2
;; STEP: call apply 3
;; STEP: call grow 2
;; STEP: call apply 6
;; STEP: call copy 0 1 3
;; STEP: call apply 0
;; STEP: call apply 1
;; STEP: host-call table 1 5
;;
;; The host sees its table as it was: it calls functions by their own types, writes and grows. What
;; it writes is called if it matches; beyond the slots known the original table is used. In place of
;; what the host wrote no adapter stands: there the call traps as before. With `ref-test` it is
;; adapted to.
(module
  (type $binary (func (param i32 i32) (result i32)))
  (table (export "table") 4 funcref)
  (elem (i32.const 1) func $exact $getter)
  (func $exact (export "exact") (type $binary) (i32.sub (local.get 0) (local.get 1)))
  (func $getter (export "getter") (param i32) (result i32)
    (i32.add (local.get 0) (i32.const 100)))
  (func (export "apply") (param i32) (result i32)
    (call_indirect (type $binary) (i32.const 10) (i32.const 3) (local.get 0)))
  (func (export "set") (param i32 i32)
    (table.set (local.get 0) (table.get (local.get 1))))
  (func (export "grow") (param i32) (result i32)
    (table.grow (ref.func $exact) (local.get 0)))
  (func (export "copy") (param i32 i32 i32)
    (table.copy (local.get 0) (local.get 1) (local.get 2))))
