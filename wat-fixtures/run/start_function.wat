;; A start function that writes memory and a global: in a fresh instance it runs again, before the
;; host copies the memory and the buffer brings the global back.
;; RUN: run
;; INVOKE: run
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "memory") 1)
  (global $g (mut i32) (i32.const 1))
  (func $start
    (i32.store (i32.const 8) (i32.const 5))
    (global.set $g (i32.add (global.get $g) (i32.const 10))))
  (start $start)
  (func (export "run") (result i32)
    (global.set $g (i32.mul (global.get $g) (i32.const 3)))
    (i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (i32.const 1)))
    (i32.add (i32.mul (call $fork) (global.get $g)) (i32.load (i32.const 8)))))
