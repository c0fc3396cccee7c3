;; A function of that name is defined, not imported: that is no entry.
;; RUN: reject
(module
  (memory 1)
  (func $fork (export "fork") (result i32) (i32.const 1)))
