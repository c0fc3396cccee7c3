;; The entry's arguments are loads; the memory behind them is changed in the child and by callees,
;; so they can't be loaded again.
;; RUN: run
;; INVOKE: run
(module
  (import "env" "fork" (func $fork (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 8) "\11\00\00\00\22")
  (func $next (result i32)
    (i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (i32.const 1)))
    (i32.load (i32.const 8)))
  (func (export "run") (result i32)
    (call $fork (call $next) (call $next))
    (i32.add (call $next))))
