;; The entry takes a reference that another import just gave: it is an argument, which a rewind would have to give again.
;; RUN: reject
;; ENTRY: env.await
(module
  (import "env" "await" (func $await (param externref) (result i32)))
  (import "env" "mk" (func $mk (result externref)))
  (memory (export "memory") 1)
  (func (export "run") (result i32) (call $await (call $mk))))
