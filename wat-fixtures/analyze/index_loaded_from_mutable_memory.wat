;; One store anywhere in the module: wasm has no read-only memory, so the load gives anything,
;; which the report's notes say.
;; RUN: analyze --format json
(module
  (import "env" "fork" (func $fork))
  (memory 1)
  (data (i32.const 8) "\02\00\00\00\01\00\00\00")
  (table 4 funcref)
  (elem (i32.const 0) $plain $forks $plain $plain)
  (func $plain)
  (func $forks (call $fork))
  (func $two (export "two") (call_indirect (i32.load (i32.const 8))))
  (func $store (export "store") (param i32) (i32.store8 (local.get 0) (i32.const 1))))
