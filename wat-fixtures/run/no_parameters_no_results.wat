;; An entry and a function without parameters and results; only the effects count.
;; RUN: run
;; INVOKE: run
;; INVOKE: run
(module
  (import "env" "fork" (func $fork))
  (import "env" "log" (func $log (param i32)))
  (memory (export "memory") 1)
  (func (export "run")
    (call $log (i32.const 1))
    call $fork
    (call $log (i32.const 2))))
