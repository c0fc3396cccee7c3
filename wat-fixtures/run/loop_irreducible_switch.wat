;; A state machine as compilers make it of irreducible control flow: br_table in a loop.
;; RUN: run
;; INVOKE: run
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "run") (result i32)
    (local $state i32) (local $sum i32) (local $left i32)
    (local.set $left (i32.const 9))
    (loop $again
      (block $exit
        (block $s3
          (block $s2
            (block $s1
              (block $s0
                (br_if $exit (i32.eqz (local.get $left)))
                (local.set $left (i32.sub (local.get $left) (i32.const 1)))
                (br_table $s0 $s1 $s2 $s3 $exit (local.get $state)))
              (local.set $sum (i32.add (local.get $sum) (call $fork (i32.const 0))))
              (local.set $state (i32.const 2))
              (br $again))
            (local.set $sum (i32.mul (local.get $sum) (i32.const 5)))
            (local.set $state (i32.const 3))
            (br $again))
          (local.set $state (i32.sub (call $fork (i32.const 2)) (i32.const 100))))
        (local.set $sum (i32.sub (local.get $sum) (call $fork (i32.const 3))))
        (local.set $state (i32.rem_u (i32.add (local.get $state) (i32.const 1)) (i32.const 4)))
        (br $again)))
    (local.get $sum)))
