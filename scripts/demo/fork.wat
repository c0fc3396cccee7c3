;; A program that forks two calls deep, with a value on the operand stack and one in a local.
(module
  (import "kernel" "kernel_fork" (func $fork (result i32)))
  (import "env" "print" (func $print (param $text i32) (param $length i32) (param $number i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "before the fork, number is")
  (data (i32.const 32) "fork returned")
  (data (i32.const 64) "number plus what fork returned is")

  (func (export "run") (param $number i32)
    (call $print (i32.const 0) (i32.const 26) (local.get $number))
    ;; The first operand waits below the call while the stack is unwound.
    (call $report (i32.add (local.get $number) (call $fork_and_report))))

  (func $fork_and_report (result i32)
    (local $pid i32)
    (local.set $pid (call $fork))
    (call $print (i32.const 32) (i32.const 13) (local.get $pid))
    (local.get $pid))

  (func $report (param $sum i32)
    (call $print (i32.const 64) (i32.const 33) (local.get $sum))))
