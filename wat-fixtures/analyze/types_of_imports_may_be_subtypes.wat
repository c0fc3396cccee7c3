;; The host may give a function of type $sub for an import of type $super, and call_indirect checks
;; what it is: both calls may reach the entry. The defined function $forks is what it is declared as.
;; RUN: analyze
(module
  (type $super (sub (func)))
  (type $sub (sub $super (func)))
  (import "env" "fork" (func $fork (type $super)))
  (memory 1)
  (table funcref (elem $fork $forks))
  (func $forks (type $super) (call $fork))
  (func $import_by_super (export "a") (call_indirect (type $super) (i32.const 0)))
  (func $import_by_sub (export "b") (call_indirect (type $sub) (i32.const 0)))
  (func $forks_by_super (export "c") (call_indirect (type $super) (i32.const 1)))
  (func $forks_by_sub (export "d") (call_indirect (type $sub) (i32.const 1))))
