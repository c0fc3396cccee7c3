;; select, plain and typed, with sites in all operands.
;; RUN: run
;; INVOKE: run 0
;; INVOKE: run 1
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "run") (param $x i32) (result i64)
    (select
      (call $fork (i32.const 1))
      (call $fork (i32.const 2))
      (i32.eqz (i32.sub (call $fork (i32.const 3)) (i32.const 102))))
    i64.extend_i32_s
    (i64.const 9)
    (i32.eq (call $fork (i32.const 4)) (i32.const 104))
    (select (result i64))))
