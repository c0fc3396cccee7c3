;; RUN: shim
;; SITE: apply
;; SITE: apply_fixed
;; STEP: call apply 0
;; STEP: call apply 2
;; STEP: call apply 3
;; STEP: call apply 12
;; STEP: call apply_fixed 0
;; STEP: call apply_fixed 1
;; STEP: call apply_fixed 2
;; STEP: call apply_fixed 7
;; STEP: call started
;;
;; An imported table may hold functions before this module adds its own, at an offset that may be the
;; host's secret: calls find both. The start function runs as before.
(module
  (import "env" "filled" (table $growing 13 funcref))
  (import "env" "fixed_filled" (table $fixed 8 8 funcref))
  (import "env" "base" (global $base i32))
  (type $binary (func (param i32 i32) (result i32)))
  (global $started (mut i32) (i32.const 0))
  (elem (table $growing) (i32.const 2) func $getter $exact)
  (elem (table $growing) (i32.const 10) func $exact)
  (elem (table $fixed) (global.get $base) func $getter $exact)
  (elem (table $fixed) (i32.const 2) func $getter)
  (start $start)
  (func $start (global.set $started (i32.add (global.get $started) (i32.const 1))))
  (func $exact (type $binary) (i32.sub (local.get 0) (local.get 1)))
  (func $getter (param i32) (result i32) (i32.add (local.get 0) (i32.const 100)))
  (func (export "apply") (param i32) (result i32)
    (call_indirect $growing (type $binary) (i32.const 10) (i32.const 3) (local.get 0)))
  (func (export "apply_fixed") (param i32) (result i32)
    (call_indirect $fixed (type $binary) (i32.const 10) (i32.const 3) (local.get 0)))
  (func (export "started") (result i32) (global.get $started)))
