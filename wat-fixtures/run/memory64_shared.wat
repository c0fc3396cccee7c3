;; The memory is shared and imported, and has 64-bit addresses; atomics around a site.
;; RUN: run
;; INVOKE: run 5
(module
  (import "env" "memory" (memory i64 1 8 shared))
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (func (export "run") (param $x i32) (result i32)
    (i32.atomic.rmw.add (i64.const 64) (local.get $x))
    (drop (i32.atomic.rmw.add (i64.const 64) (call $fork (i32.atomic.load (i64.const 64)))))
    (atomic.fence)
    (i32.add (i32.atomic.load (i64.const 64)))))
