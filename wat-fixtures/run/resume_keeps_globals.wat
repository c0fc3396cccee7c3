;; A program sleeps, and meanwhile its host calls an allocator in the same instance: after the rewind
;; the allocator goes on from where it was, and hands out nothing twice.
;; RUN: run
;; ENTRY: env.sleep
;; INVOKE: run
;; INVOKE: alloc
;; INTERLUDE: alloc
;; INTERLUDE: alloc
(module
  (import "env" "sleep" (func $sleep))
  (memory (export "memory") 1)
  (global $heap (export "heap") (mut i32) (i32.const 1000))
  (global $sp (export "sp") (mut i32) (i32.const 9000))
  (func (export "alloc") (result i32)
    (global.get $heap)
    (global.set $heap (i32.add (global.get $heap) (i32.const 16))))
  (func (export "run") (result i32)
    (global.set $sp (i32.const 8000))
    (call $sleep)
    (global.set $sp (i32.const 9000))
    (global.get $heap)))
