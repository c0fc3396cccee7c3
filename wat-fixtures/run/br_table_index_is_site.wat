;; The index of a br_table is a site; the targets carry a value.
;; RUN: run
;; RETURNS: 0 1 2 9
;; INVOKE: run 3
;; INVOKE: run 3
;; INVOKE: run 3
;; INVOKE: run 3
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "memory") 1)
  (func (export "run") (param $x i32) (result i32)
    (block $c (result i32)
      (block $b (result i32)
        (block $a (result i32)
          (i32.mul (local.get $x) (i32.const 10))
          (br_table $a $b $c $a (call $fork)))
        (i32.add (i32.const 1)))
      (i32.add (i32.const 2)))))
