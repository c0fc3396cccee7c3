;; Operands that were read from a global and from memory, which change before the site.
;; RUN: run
;; INVOKE: run
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 8) "\2a\00\00\00")
  (global $g (mut i32) (i32.const 7))
  (func (export "run") (result i32)
    global.get $g
    (i32.load (i32.const 8))
    (block (result i32)
      (global.set $g (i32.const 1000))
      (i32.store (i32.const 8) (i32.const 2000))
      call $fork)
    i32.add
    i32.mul
    (i32.add (global.get $g))
    (i32.add (i32.load (i32.const 8)))))
