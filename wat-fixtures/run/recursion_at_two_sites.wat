;; A tree of calls: the frames on the stack stopped at different sites of one function.
;; RUN: run
;; INVOKE: run 4
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory (export "memory") 1)
  (func $tree (export "run") (param $n i32) (result i32)
    (if (i32.eqz (local.get $n)) (then (return (call $fork (i32.const 0)))))
    (i32.sub
      (call $tree (i32.sub (local.get $n) (i32.const 1)))
      (call $tree (i32.shr_u (local.get $n) (i32.const 1))))))
