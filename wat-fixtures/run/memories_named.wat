;; Frames go to the memory that is asked for: an imported one with 64-bit addresses, beside a smaller one with the program's data, which
;; can't grow.
;; RUN: run
;; MEMORY: stacks
;; INVOKE: run 6
(module
  (import "env" "stacks" (memory $stacks i64 2))
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory $data (export "data") 1 1)
  (func $f (export "run") (param $n i32) (result i32)
    (i32.load $data (i32.mul (local.get $n) (i32.const 4)))
    (i32.store $data (i32.mul (local.get $n) (i32.const 4)) (call $fork (local.get $n)))
    (if (result i32) (local.get $n)
      (then (call $f (i32.sub (local.get $n) (i32.const 1))))
      (else (i32.wrap_i64 (memory.size $stacks))))
    i32.add
    (i32.mul (i32.load $data (i32.mul (local.get $n) (i32.const 4))) (i32.const 3))
    i32.add))
