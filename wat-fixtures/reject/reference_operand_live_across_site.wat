;; A reference lies on the operand stack below a site.
;; RUN: reject
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory 1)
  (table 4 externref)
  (func (export "run") (param $r externref)
    (table.set (i32.const 0) (local.get $r))
    (i32.const 1)
    (table.get (i32.const 0))
    (block (drop (call $fork)))
    (table.set)))
