;; An imported table: the module puts $forks into slot 1, and the host may move it to slot 0. No one
;; has a reference to $of_type_u, so no slot can hold it, and $by_u is not in the closure.
;; RUN: analyze
(module
  (type $t (func))
  (type $u (func (param i32)))
  (import "env" "fork" (func $fork))
  (import "env" "table" (table $table 2 funcref))
  (memory 1)
  (elem (i32.const 1) $forks)
  (func $forks (type $t) (call $fork))
  (func $of_type_u (type $u) (call $fork))
  (func $by_t (export "t") (call_indirect (type $t) (i32.const 0)))
  (func $by_u (export "u") (call_indirect (type $u) (i32.const 7) (i32.const 0))))
