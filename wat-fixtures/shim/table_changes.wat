;; RUN: shim
;; SITE: apply
;; STEP: call apply 1
;; STEP: call apply 2
;; STEP: call set_func
;; STEP: call apply 2
;; STEP: call set_exact 1
;; STEP: call apply 1
;; STEP: call set_null 1
;; STEP: call apply 1
;; STEP: call copy 1 5 1
;; STEP: call apply 1
;; STEP: call init 3 0 2
;; STEP: call apply 3
;; STEP: call apply 4
;; STEP: call copy_other 2 0 2
;; STEP: call apply 2
;; STEP: call apply 3
;; STEP: call fill 0 6
;; STEP: call apply 5
;; STEP: call apply 6
;; STEP: call grow 2
;; STEP: call apply 6
;; STEP: call apply 7
;; STEP: call apply 8
;; STEP: call grow 100
;; STEP: call out_of_range
;; STEP: call size
;;
;; Whatever the module does to its table reaches the adapters' table: set, copy within and from
;; another table, init from a passive segment, fill, grow. Where a reference can't be told, the call
;; traps as before; a matching one is called.
(module
  (type $binary (func (param i32 i32) (result i32)))
  (table $table 6 10 funcref)
  (table $other 3 funcref)
  (elem (table $table) (i32.const 1) func $getter)
  (elem (table $table) (i32.const 5) func $getter)
  (elem (table $other) (i32.const 0) func $exact $getter)
  (elem $passive func $exact $getter)
  (func $exact (type $binary) (i32.sub (local.get 0) (local.get 1)))
  (func $getter (param i32) (result i32) (i32.add (local.get 0) (i32.const 100)))
  (func (export "apply") (param i32) (result i32)
    (call_indirect $table (type $binary) (i32.const 10) (i32.const 3) (local.get 0)))
  (func (export "set_func") (table.set $table (i32.const 2) (ref.func $getter)))
  (func (export "set_exact") (param i32) (table.set $table (local.get 0) (ref.func $exact)))
  (func (export "set_null") (param i32) (table.set $table (local.get 0) (ref.null func)))
  (func (export "copy") (param i32 i32 i32)
    (table.copy $table $table (local.get 0) (local.get 1) (local.get 2)))
  (func (export "copy_other") (param i32 i32 i32)
    (table.copy $table $other (local.get 0) (local.get 1) (local.get 2)))
  (func (export "init") (param i32 i32 i32)
    (table.init $table $passive (local.get 0) (local.get 1) (local.get 2)))
  (func (export "fill") (param i32 i32)
    (table.fill $table (local.get 0) (ref.func $exact) (local.get 1)))
  (func (export "grow") (param i32) (result i32)
    (table.grow $table (ref.func $exact) (local.get 0)))
  (func (export "out_of_range")
    (table.copy $table $other (i32.const 7) (i32.const 0) (i32.const 3)))
  (func (export "size") (result i32) (table.size $table)))
