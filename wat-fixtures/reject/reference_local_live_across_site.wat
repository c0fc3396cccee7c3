;; A local of a reference type is needed after a site.
;; RUN: reject
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory 1)
  (func (export "run") (param $r externref) (result externref)
    (drop (call $fork))
    (local.get $r)))
