;; The site is in the else arm; the condition must be false again when rewinding, though it would
;; now be computed differently.
;; RUN: run
;; INVOKE: run 0
;; INVOKE: run 1
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "memory") 1)
  (func (export "run") (param $x i32) (result i32)
    (local $r i32)
    (if (local.get $x)
      (then (local.set $r (i32.const 5)))
      (else
        (local.set $x (i32.const 1))
        (local.set $r (call $fork))
        (local.set $r (i32.add (local.get $r) (local.get $x)))))
    (local.get $r)))
