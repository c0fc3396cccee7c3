;; One table, an unknown index, three types: only the call of the type of $forks may reach it.
;; RUN: analyze
(module
  (type $t (func))
  (type $u (func (param i32)))
  (type $v (func (result i32)))
  (import "env" "fork" (func $fork))
  (memory 1)
  (table funcref (elem $forks $plain_u $plain_v))
  (func $forks (type $t) (call $fork))
  (func $plain_u (type $u))
  (func $plain_v (type $v) (i32.const 0))
  (func $by_t (export "t") (param i32) (call_indirect (type $t) (local.get 0)))
  (func $by_u (export "u") (param i32) (call_indirect (type $u) (i32.const 7) (local.get 0)))
  (func $by_v (export "v") (param i32) (drop (call_indirect (type $v) (local.get 0)))))
