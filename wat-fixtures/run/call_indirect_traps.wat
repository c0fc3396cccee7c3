;; Indirect sites that trap: out of bounds, null, wrong type. The original's traps, in its order.
;; RUN: run
;; INVOKE: run 0
;; INVOKE: run 1
;; INVOKE: run 2
;; INVOKE: run 9
(module
  (type $t (func (result i32)))
  (import "env" "fork" (func $fork (result i32)))
  (import "env" "log" (func $log (param i32)))
  (memory (export "memory") 1)
  (table 3 funcref)
  (elem (i32.const 0) $a $log)
  (func $a (type $t) (call $fork))
  (func (export "run") (param $i i32) (result i32)
    (call $log (local.get $i))
    (call_indirect (type $t) (local.get $i))
    (i32.add (call $fork))))
