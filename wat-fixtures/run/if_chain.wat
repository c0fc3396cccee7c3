;; An else-if ladder with a site in each rung, in a loop that takes every rung.
;; RUN: run
;; INVOKE: run
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "run") (result i32)
    (local $i i32) (local $sum i32)
    (loop $l
      (if (i32.eq (local.get $i) (i32.const 0))
        (then (local.set $sum (call $fork (i32.const 10))))
        (else (if (i32.eq (local.get $i) (i32.const 1))
          (then (local.set $sum (i32.add (local.get $sum) (call $fork (i32.const 11)))))
          (else (if (i32.eq (local.get $i) (i32.const 2))
            (then (local.set $sum (i32.mul (local.get $sum) (call $fork (i32.const 12)))))
            (else (local.set $sum (i32.sub (local.get $sum) (call $fork (i32.const 13))))))))))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 4))))
    (local.get $sum)))
