;; A guarded tail call inside a try: what the callee throws goes past the handlers of the function that it is called from.
;; RUN: run
;; ASSUME: no-fork aside
;; INVOKE: run 0
;; INVOKE: run 1
;; INVOKE: run 2
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "memory") 1)
  (tag $thrown (param i32))
  (func $leaf (export "leaf") (param i32) (result i32)
    (if (i32.eqz (local.get 0)) (then (return (call $fork))))
    (if (i32.eq (local.get 0) (i32.const 1)) (then (throw $thrown (i32.const 40))))
    (i32.const 30))
  (func $aside (param i32) (result i32)
    (block $caught (try_table (catch_all $caught) (block (return_call $leaf (local.get 0)))))
    (i32.const 9))
  (func $run (export "run") (param i32) (result i32)
    (block $caught (result i32)
      (try_table (result i32) (catch $thrown $caught)
        (if (result i32) (local.get 0)
          (then (call $aside (local.get 0)))
          (else (call $leaf (i32.const 0))))))))
