;; Locals for references that are null at some sites and dead at others: only what is live at a site counts there, also in a function
;; whose frame holds them for another site's sake. The unwind that would need one that is not null is not asked for here.
;; RUN: run
;; INVOKE: run 3
;; INVOKE: run 0
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (import "env" "log" (func $log (param i32)))
  (import "env" "make" (func $make (result externref)))
  (import "env" "use" (func $use (param externref)))
  (memory (export "memory") 1)
  (func (export "run") (param $x i32) (result i32)
    (local $r externref) (local $s externref) (local $y i32)
    (local.set $y (i32.const 50))
    (loop $again
      ;; $r is null here, and needed.
      (call $log (call $fork (i32.const 1)))
      (call $use (local.get $r))
      (local.set $s (call $make))
      (call $use (local.get $s))
      (local.set $r (local.get $s))
      (call $use (local.get $r))
      ;; Neither is null, and neither is needed.
      (call $log (call $fork (local.get $y)))
      (local.set $r (ref.null extern))
      (local.set $s (ref.null extern))
      (if (i32.lt_s (local.get $x) (i32.const 2))
        (then (call $log (call $fork (i32.const 3))) (call $use (local.get $s))))
      (br_if $again (i32.gt_s (local.tee $x (i32.sub (local.get $x) (i32.const 1))) (i32.const 0))))
    (local.get $y)))
