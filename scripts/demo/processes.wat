;; A program that forks in the middle of an expression, for `wasm-fork run`: its system calls are those of Linux on i386.
(module
  (import "kernel" "kernel_fork" (func $fork (result i32)))
  (import "kernel" "kernel_syscall"
    (func $syscall (param $number i32) (param i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "one process, before the fork\n")
  (data (i32.const 64) "the child: 80 plus what fork returned is 80\n")
  (data (i32.const 128) "the parent, for which it is more: the child has ended\n")

  (func $write (param $text i32) (param $length i32)
    (drop (call $syscall (i32.const 4) (i32.const 1) (local.get $text) (local.get $length)
      (i32.const 0) (i32.const 0) (i32.const 0))))

  (func (export "_start")
    (call $write (i32.const 0) (i32.const 29))
    ;; The first operand waits below the call while the stack is unwound, and is in both processes then.
    (if (i32.eq (i32.add (i32.const 80) (call $fork)) (i32.const 80))
      (then (call $write (i32.const 64) (i32.const 44)))
      (else
        ;; wait4(-1, NULL, 0, NULL)
        (drop (call $syscall (i32.const 114) (i32.const -1) (i32.const 0) (i32.const 0)
          (i32.const 0) (i32.const 0) (i32.const 0)))
        (call $write (i32.const 128) (i32.const 54))))))
