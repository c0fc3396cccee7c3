;; A tail call of the entry inside a `try_table`: as a call it would throw into that.
;; RUN: reject
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory 1)
  (func $f (export "f") (result i32)
    (block $caught
      (try_table (catch_all $caught)
        (return_call $fork)))
    (i32.const 1)))
