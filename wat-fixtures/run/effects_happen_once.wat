;; Calls of other imports, stores and global writes before a site don't happen again on rewind.
;; RUN: run
;; INVOKE: run
(module
  (import "env" "fork" (func $fork (result i32)))
  (import "env" "log" (func $log (param i32)))
  (memory (export "memory") 1)
  (global $count (export "count") (mut i32) (i32.const 0))
  (func $bump
    (global.set $count (i32.add (global.get $count) (i32.const 1)))
    (i32.store (i32.const 16) (i32.add (i32.load (i32.const 16)) (i32.const 3)))
    (call $log (global.get $count)))
  (func $middle (result i32)
    call $bump
    (i32.add (call $fork) (i32.load (i32.const 16))))
  (func (export "run") (result i32)
    call $bump
    (call $log (i32.const 77))
    (call $middle)
    call $bump
    (i32.add (call $middle))
    call $bump))
