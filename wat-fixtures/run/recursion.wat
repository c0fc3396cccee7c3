;; The same function many times on the stack: each frame has its own values.
;; RUN: run
;; INVOKE: run 12
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory (export "memory") 1)
  (func $f (export "run") (param $n i32) (result i32)
    (local $mine i32)
    (local.set $mine (i32.mul (local.get $n) (local.get $n)))
    (if (result i32) (local.get $n)
      (then
        (i32.add (i32.mul (call $f (i32.sub (local.get $n) (i32.const 1))) (i32.const 3))
                 (local.get $mine)))
      (else (call $fork (local.get $mine))))))
