;; Sites before, in and after blocks at six depths of nesting.
;; RUN: run
;; INVOKE: run 1
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "run") (param $x i32) (result i32)
    (local.set $x (i32.add (local.get $x) (call $fork (i32.const 0))))
    (block
      (local.set $x (i32.add (local.get $x) (call $fork (i32.const 1))))
      (block
        (block
          (local.set $x (i32.mul (local.get $x) (call $fork (i32.const 3))))
          (block
            (block
              (local.set $x (i32.add (local.get $x) (call $fork (i32.const 5)))))
            (local.set $x (i32.sub (local.get $x) (call $fork (i32.const 4))))))
        (local.set $x (i32.mul (local.get $x) (call $fork (i32.const 2)))))
      (local.set $x (i32.add (local.get $x) (call $fork (i32.const 1)))))
    (i32.add (local.get $x) (call $fork (i32.const 0)))))
