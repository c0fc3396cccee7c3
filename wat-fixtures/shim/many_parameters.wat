;; RUN: shim
;; ALL-SITES:
;; STEP: call apply 0
;; STEP: call apply 1
;;
;; More parameters than other tools have room for.
(module
  (type $many (func (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 v128) (result i32)))
  (table (export "table") 2 funcref)
  (elem (i32.const 0) $few $more)
  (func $few (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
    (i32.add (local.get 16) (local.get 17)))
  (func $more (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 v128 i32) (result i32)
    (i32.add (i32.add (local.get 18) (local.get 20)) (i32x4.extract_lane 3 (local.get 19))))
  (func (export "apply") (param i32) (result i32)
    (call_indirect (type $many)
      (i32.const 1) (i32.const 2) (i32.const 3) (i32.const 4) (i32.const 5) (i32.const 6) (i32.const 7)
      (i32.const 8) (i32.const 9) (i32.const 10) (i32.const 11) (i32.const 12) (i32.const 13)
      (i32.const 14) (i32.const 15) (i32.const 16) (i32.const 17) (i32.const 18) (i32.const 19)
      (v128.const i32x4 1 2 3 1000)
      (local.get 0))))
