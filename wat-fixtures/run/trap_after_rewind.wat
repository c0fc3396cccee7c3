;; A trap after the rewind is the trap that the original would have got; the next call still works.
;; RUN: run
;; RETURNS: 0 5
;; INVOKE: run 7
;; INVOKE: run 7
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "memory") 1)
  (func (export "run") (param $x i32) (result i32)
    (i32.store (i32.const 16) (i32.add (i32.load (i32.const 16)) (i32.const 1)))
    (i32.div_u (local.get $x) (call $fork))))
