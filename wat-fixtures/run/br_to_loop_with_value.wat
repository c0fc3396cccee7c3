;; A branch back to a loop's head carries what the site returned.
;; RUN: run
;; RETURNS: 3 2 1 0
;; INVOKE: run
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "run") (result i32)
    (local $sum i32)
    (i32.const 77)
    (i32.const 5)
    (loop $l (param i32) (result i32)
      (local.set $sum (i32.add (local.get $sum) (i32.const 10)))
      (call $fork)
      (local.set $sum (i32.add (local.get $sum) (i32.const 1)))
      (br_if $l (i32.and (local.get $sum) (i32.const 3))))
    (i32.add (local.get $sum))
    i32.mul))
