;; A pattern that means no table is answered with the tables that there are.
;; RUN: reject
;; ASSUME: table-private memo
(module
  (import "env" "fork" (func $fork))
  (import "env" "shared" (table 4 funcref))
  (memory 1)
  (table (export "slots") (export "more") 4 funcref)
  (table 4 funcref)
  (func $leaf (export "leaf") (call $fork)))
