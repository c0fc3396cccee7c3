;; Two entries with different types; each is called again under its own name.
;; RUN: run
;; ENTRY: env.fork
;; ENTRY: sys.pause*
;; INVOKE: run 2
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (import "sys" "pause_now" (func $pause (param i64) (result i64)))
  (memory (export "memory") 1)
  (func (export "run") (param $x i32) (result i64)
    (i64.extend_i32_s (call $fork (local.get $x)))
    (call $pause (i64.extend_i32_s (local.get $x)))
    i64.mul))
