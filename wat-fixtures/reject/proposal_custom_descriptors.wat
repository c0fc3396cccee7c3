;; A proposal that is not supported is named: types with descriptors belong to a proposal that is not enabled.
;; RUN: reject
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory 1)
  (rec (type $a (descriptor $b) (struct)) (type $b (describes $a) (struct))) (func (export "run") (result i32) (call $fork)))
