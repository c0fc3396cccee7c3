;; RUN: shim
;; SITE: apply
;; STEP: call apply 1
;; STEP: call apply 2
;;
;; Where an imported table is filled at an offset that only the host knows, no second table can be laid
;; out beside it; `ref-test` needs none.
(module
  (import "env" "table" (table 16 funcref))
  (import "env" "base" (global $base i32))
  (type $binary (func (param i32 i32) (result i32)))
  (elem (global.get $base) func $getter $exact)
  (func $exact (type $binary) (i32.sub (local.get 0) (local.get 1)))
  (func $getter (param i32) (result i32) (i32.add (local.get 0) (i32.const 100)))
  (func (export "apply") (param i32) (result i32)
    (call_indirect (type $binary) (i32.const 10) (i32.const 3) (local.get 0))))
