;; A profile with functions that the module doesn't have was recorded from another build.
;; RUN: reject
;; ASSUME: profile leaf gone
(module
  (import "env" "fork" (func $fork))
  (memory 1)
  (func $leaf (export "leaf") (call $fork)))
