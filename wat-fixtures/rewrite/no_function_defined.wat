;; A module that defines no function, and exports its entry: the sections that are missing appear in
;; their places, the custom section stays behind them.
;; RUN: rewrite
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory 1)
  (export "run" (func $fork))
  (data (i32.const 8) "x")
  (@custom "notes" (after data) "kept"))
