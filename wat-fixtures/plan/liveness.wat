;; Which locals live across which site: each is saved only where it is needed later.
;; RUN: plan
(module
  (import "env" "fork" (func $fork (result i32)))
  (import "env" "use" (func $use (param i32)))
  (memory 1)
  (func $f (export "run") (param $a i32) (param $b i32)
    (local $c i32)
    (call $use (call $fork))
    (local.set $c (i32.const 1))
    (call $use (local.get $a))
    (call $use (call $fork))
    (call $use (i32.add (local.get $b) (local.get $c)))
    (call $use (call $fork))))
