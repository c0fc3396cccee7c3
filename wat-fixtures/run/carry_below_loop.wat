;; A value below a loop whose body contains the site, in every iteration.
;; RUN: run
;; INVOKE: run 5
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "memory") 1)
  (func (export "run") (param $x i32) (result i32)
    (local $i i32) (local $sum i32)
    (i32.mul (local.get $x) (local.get $x))
    (loop $l
      (local.set $sum (i32.add (local.get $sum) (call $fork)))
      (local.set $x (i32.const 1))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 3))))
    (i32.add (local.get $sum))))
