;; With 64-bit addresses: a small buffer that lies between the program's data, with a value right before it and one right behind it.
;; RUN: run
;; BUFFER: 1024 2048
;; INVOKE: run 20
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "memory") i64 1)
  (global $g (mut i64) (i64.const 3))
  (func $f (export "run") (param $n i32) (result i64)
    (if (result i64) (local.get $n)
      (then
        (i64.add
          (call $f (i32.sub (local.get $n) (i32.const 1)))
          (i64.mul (global.get $g) (i64.extend_i32_u (local.get $n)))))
      (else
        (i64.store (i64.const 1016) (i64.const -1))
        (i64.store (i64.const 2048) (i64.const -1))
        (global.set $g (i64.extend_i32_s (call $fork)))
        (global.get $g)))))
