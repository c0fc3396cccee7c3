;; A tail call inside a `try_table` through a table into which the host may put the entry: as a call it would throw into the `try_table`.
;; RUN: reject
(module
  (type $t (func (param i32) (result i32)))
  (import "env" "fork" (func $fork (type $t)))
  (memory 1)
  (table $t (export "table") 1 funcref)
  (export "fork" (func $fork))
  (func $f (export "f") (param $x i32) (param i64) (result i32)
    (block $caught
      (try_table (catch_all $caught)
        (return_call_indirect $t (type $t) (local.get $x) (i32.const 0))))
    (i32.const 1)))
