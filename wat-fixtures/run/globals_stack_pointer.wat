;; The C shadow stack: the stack pointer goes down before the site and up after it, in each frame
;; once.
;; RUN: run
;; INVOKE: run 3
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "memory") 1)
  (global $__stack_pointer (export "sp") (mut i32) (i32.const 4096))
  (func $f (export "run") (param $n i32) (result i32)
    (local $fp i32) (local $r i32)
    (global.set $__stack_pointer
      (local.tee $fp (i32.sub (global.get $__stack_pointer) (i32.const 32))))
    (i32.store (local.get $fp) (local.get $n))
    (if (local.get $n)
      (then (local.set $r (call $f (i32.sub (local.get $n) (i32.const 1)))))
      (else (local.set $r (call $fork))))
    (local.set $r (i32.add (i32.mul (local.get $r) (i32.const 2)) (i32.load (local.get $fp))))
    (global.set $__stack_pointer (i32.add (local.get $fp) (i32.const 32)))
    (local.get $r)))
