;; Results of one site lie below the next; an expression with five sites.
;; RUN: run
;; INVOKE: run
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "run") (result i32)
    (i32.sub
      (i32.mul (call $fork (i32.const 1)) (call $fork (call $fork (i32.const 2))))
      (i32.add (call $fork (i32.const 3)) (call $fork (i32.const 4))))))
