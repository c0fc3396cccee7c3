;; A proposal that is not supported is named: suspending is what this proposal does to the stack itself.
;; RUN: reject
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory 1)
  (type $f (func)) (type $c (cont $f)) (tag $t) (func (export "run") (result i32) (suspend $t) (call $fork)))
