;; A value below an if with a site in one arm; both arms are taken.
;; RUN: run
;; INVOKE: run 0
;; INVOKE: run 1
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "memory") 1)
  (func (export "run") (param $x i32) (result i32)
    (i32.add (local.get $x) (i32.const 40))
    (if (result i32) (local.get $x)
      (then (i32.add (call $fork) (i32.const 1)))
      (else (i32.const 3)))
    i32.mul))
