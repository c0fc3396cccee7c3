;; The entry takes a reference, which would be needed again when it is called again.
;; RUN: reject
(module
  (import "env" "fork" (func $fork (param externref) (result i32)))
  (memory 1)
  (func (export "run") (param $r externref) (result i32)
    (call $fork (local.get $r))))
