;; An entry that is not imported: names that are near are given.
;; RUN: reject
;; ENTRY: kernel.kernel_fork
(module
  (import "kernel" "kernel_fork2" (func (result i32)))
  (import "kernel" "kernel_frok" (func (result i32)))
  (import "kernel" "exit" (func (param i32)))
  (memory 1))
