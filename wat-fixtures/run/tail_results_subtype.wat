;; The results of what is tail-called are of subtypes of the function's own.
;; RUN: run
;; INVOKE: run 0
;; INVOKE: run 1
(module
  (type $t (func (param i32) (result i32)))
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory (export "memory") 1)
  (elem declare func $id)
  (func $id (type $t) (local.get 0))
  (func $typed (param i64) (result i32 (ref null $t))
    (call $fork (i32.wrap_i64 (local.get 0)))
    (if (result (ref null $t)) (i64.eqz (local.get 0))
      (then (ref.null $t))
      (else (ref.func $id))))
  (func $any (param i32) (result i32 funcref)
    (if (i32.eq (local.get 0) (i32.const 9)) (then (call $fork (i32.const 8)) (ref.null func) (return)))
    (return_call $typed (i64.extend_i32_u (local.get 0))))
  (func (export "run") (param i32) (result i32)
    (call $any (local.get 0))
    (ref.is_null)
    (i32.add)
    (drop)
    (call $any (i32.const 1))
    (drop)))
