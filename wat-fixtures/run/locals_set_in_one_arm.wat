;; A local written in one arm only: before it has the parameter's value.
;; RUN: run
;; INVOKE: run 0
;; INVOKE: run 1
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "memory") 1)
  (func (export "run") (param $k i32) (result i32)
    (local $a i32)
    (local.set $a (i32.const 50))
    (if (local.get $k)
      (then
        (local.set $a (i32.const 60))
        (drop (call $fork)))
      (else
        (drop (call $fork))
        (local.set $k (i32.const 5))))
    (i32.add (local.get $a) (local.get $k))))
