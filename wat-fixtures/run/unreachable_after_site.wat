;; Code after `unreachable`, `br` and `return` that holds sites: typed by the polymorphic stack,
;; never run.
;; RUN: run
;; INVOKE: run 0
;; INVOKE: run 1
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "run") (param $x i32) (result i32)
    (block $b
      (br_if $b (local.get $x))
      (call $fork (i32.const 1))
      (return)
      (call $fork)
      call $fork
      i32.add
      (drop))
    (block (result i32)
      (call $fork (i32.const 2))
      (br 0)
      i64.extend_i32_s
      (block (param i64) (result f32)
        drop
        unreachable
        call $fork
        call $fork
        f32.convert_i32_s)
      drop
      unreachable
      select
      drop
      (call $fork (i32.const 3)))))
