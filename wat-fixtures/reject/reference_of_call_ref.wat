;; call_ref may reach the entry through a reference that nothing can make again.
;; RUN: reject
(module
  (type $t (func (param i32) (result i32)))
  (import "env" "fork" (func $fork (type $t)))
  (memory (export "memory") 1)
  (export "fork" (func $fork))
  (func (export "run") (param $x i32) (param $r (ref null $t)) (result i32)
    (i32.add (call_ref $t (local.get $x) (local.get $r)) (local.get $x))))
