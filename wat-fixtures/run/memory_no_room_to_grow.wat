;; The memory can't grow: the host has to use a buffer that the program set apart, in its middle.
;; RUN: run
;; BUFFER: 4096 8192
;; INVOKE: run 5
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "memory") 1 1)
  (global $g (mut i32) (i32.const 3))
  (func $inner (param $x i32) (result i32)
    (i32.store (i32.const 4092) (local.get $x))
    (i32.store (i32.const 8192) (local.get $x))
    (global.set $g (local.get $x))
    (i32.add (call $fork) (global.get $g)))
  (func (export "run") (param $x i32) (result i32)
    (i32.mul (local.get $x) (call $inner (i32.const 6)))))
