;; A site with several results: all arrive after the rewind; values below them are kept.
;; RUN: run
;; INVOKE: run 3
(module
  (import "env" "fork" (func $fork (result i32 i64 f64)))
  (import "env" "log" (func $log (param i32 i32 i64 f64)))
  (memory (export "memory") 1)
  (func $g (param i32) (result i32 i64 f64)
    call $fork
    (f64.add (f64.convert_i32_s (local.get 0))))
  (func (export "run") (param i32) (result i32 i64 f64)
    (i32.const 7)
    (call $g (local.get 0))
    call $log
    (call $g (i32.const 20))))
