;; The entry is called through a reference: it needs its arguments again, and the reference is made
;; again.
;; RUN: run
;; INVOKE: run 5
(module
  (type $t (func (param i32) (result i32)))
  (import "env" "fork" (func $fork (type $t)))
  (memory (export "memory") 1)
  (elem declare func $fork)
  (func (export "run") (param $x i32) (result i32)
    (local $y i32)
    (local.set $y (i32.mul (local.get $x) (i32.const 7)))
    (i32.const 3)
    (call_ref $t (local.tee $x (i32.add (local.get $y) (i32.const 1))) (ref.func $fork))
    i32.mul
    (i32.add (local.get $x))))
