;; A loop with a try_table in it; each iteration forks, and every other one throws.
;; RUN: run
;; INVOKE: run
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "memory") 1)
  (tag $e (param i32))
  (func (export "run") (result i32)
    (local $i i32) (local $sum i32)
    (loop $l
      (block $next
        (block $h (result i32)
          (try_table (catch $e $h)
            (if (i32.and (call $fork) (i32.const 1)) (then (throw $e (local.get $i))))
            (local.set $sum (i32.add (local.get $sum) (call $fork))))
          (br $next))
        (local.set $sum (i32.mul (i32.add (local.get $sum) (i32.const 1))))
        (local.set $sum (i32.add (local.get $sum) (call $fork))))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 3))))
    (local.get $sum)))
