;; An if with sites in both arms. No code of an arm may run before its landing: here it would load
;; from an address that is out of bounds.
;; RUN: run
;; INVOKE: run 0 4294967288
;; INVOKE: run 1 8
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "run") (param $x i32) (param $p i32) (result i32)
    (if (result i32) (local.get $x)
      (then (call $fork (i32.load (local.get $p))))
      (else (call $fork (i32.const 2))))))
