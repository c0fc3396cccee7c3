;; A site in the body of a try_table, operands below it; nothing is thrown.
;; RUN: run
;; INVOKE: run 5
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory (export "memory") 1)
  (tag $e (param i32))
  (func (export "run") (param $x i32) (result i32)
    (i32.mul (local.get $x) (i32.const 3))
    (block $h (result i32)
      (i32.add (local.get $x) (i32.const 1))
      (try_table (result i32) (catch $e $h)
        (i32.const 1000)
        (call $fork (i32.const 4))
        i32.sub)
      i32.mul)
    i32.add))
