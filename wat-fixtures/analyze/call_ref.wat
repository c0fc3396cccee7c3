;; call_ref reaches every function of the type whose reference is taken.
;; RUN: analyze
(module
  (type $t (func))
  (type $u (func (param i32)))
  (import "env" "fork" (func $fork))
  (memory 1)
  (elem declare func $forks)
  (func $forks (type $t) (call $fork))
  (func $not_taken (type $u) (call $fork))
  (func $get (export "get") (result (ref $t)) (ref.func $forks))
  (func $by_t (export "t") (param (ref $t)) (call_ref $t (local.get 0)))
  (func $by_u (param (ref $u)) (call_ref $u (i32.const 1) (local.get 0))))
