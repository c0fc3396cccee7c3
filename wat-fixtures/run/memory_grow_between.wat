;; The memory grows before, between and after sites.
;; RUN: run
;; INVOKE: run
(module
  (import "env" "fork" (func $fork (result i32)))
  (import "env" "log" (func $log (param i32 i32)))
  (memory (export "memory") 1 20)
  (func (export "run") (result i32)
    (local $p i32)
    (local.set $p (i32.mul (memory.grow (i32.const 2)) (i32.const 65536)))
    (i32.store offset=65536 (local.get $p) (i32.const 77))
    (call $log (memory.size) (call $fork))
    (call $log (memory.grow (i32.const 1)) (call $fork))
    (i32.add (i32.load offset=65536 (local.get $p)) (memory.grow (call $fork)))))
