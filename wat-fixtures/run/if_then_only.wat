;; An if without else, with a site in it; the condition is true and false.
;; RUN: run
;; INVOKE: run 0
;; INVOKE: run 1
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "memory") 1)
  (func (export "run") (param $x i32) (result i32)
    (local $r i32)
    (if (local.get $x) (then (local.set $r (call $fork))))
    (i32.add (local.get $r) (i32.const 1))))
