;; table.copy brings references from another table.
;; RUN: analyze
(module
  (type $t (func))
  (import "env" "fork" (func $fork))
  (memory 1)
  (table $a 4 funcref)
  (table $b 4 funcref)
  (elem (table $b) (i32.const 0) func $forks)
  (func $forks (type $t) (call $fork))
  (func $copy (export "copy")
    (table.copy $a $b (i32.const 0) (i32.const 0) (i32.const 1)))
  (func $calls (export "calls") (call_indirect $a (type $t) (i32.const 0))))
