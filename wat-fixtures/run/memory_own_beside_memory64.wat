;; The memory that is added for frames has 32-bit addresses, also beside one with 64-bit addresses.
;; RUN: run
;; OWN-MEMORY:
;; INVOKE: run 3
(module
  (import "env" "memory" (memory i64 1 4))
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (global $at (mut i64) (i64.const 65000))
  (func $f (export "run") (param $n i32) (result i64)
    (i64.store32 (global.get $at) (i64.extend_i32_u (call $fork (local.get $n))))
    (global.set $at (i64.sub (global.get $at) (i64.const 8)))
    (memory.grow (i64.const 1))
    (if (local.get $n) (then (drop (call $f (i32.sub (local.get $n) (i32.const 1))))))
    (i64.add (i64.load (global.get $at)))))
