;; table.init and table.copy with constant operands write certain slots: $forks gets into slots 1 and 3
;; of $t, nothing that forks into slots 0 and 2.
;; RUN: analyze
(module
  (import "env" "fork" (func $fork))
  (memory 1)
  (table $t 4 funcref)
  (table $u 2 funcref)
  (elem $passive func $plain $forks)
  (elem (table $u) (i32.const 1) func $forks)
  (func $plain)
  (func $forks (call $fork))
  (func $writes (export "writes")
    (table.init $t $passive (i32.const 0) (i32.const 0) (i32.const 2))
    (table.copy $t $u (i32.const 2) (i32.const 0) (i32.const 2)))
  (func $zero (export "zero") (call_indirect $t (i32.const 0)))
  (func $one (export "one") (call_indirect $t (i32.const 1)))
  (func $two (export "two") (call_indirect $t (i32.const 2)))
  (func $three (export "three") (call_indirect $t (i32.const 3))))
