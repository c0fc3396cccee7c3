;; A function that only tail-calls begins with the way to the frame on top; one that calls, too, asks first whether that is its own. A tail
;; call of the entry becomes a call.
;; RUN: rewrite
;; WITH-RUNTIME:
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory (export "memory") 1)
  (func $only (export "only") (param i32 i32) (result i32)
    (return_call $mixed (local.get 0)))
  (func $mixed (param i32) (result i32)
    (if (call $fork (i32.const 1)) (then (return_call $only (local.get 0) (i32.const 2))))
    (return_call $fork (i32.const 3))))
