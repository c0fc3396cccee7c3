;; The memory is imported.
;; RUN: run
;; INVOKE: run 5
(module
  (import "env" "memory" (memory 2))
  (import "env" "fork" (func $fork (result i32)))
  (func (export "run") (param $x i32) (result i32)
    (i32.store (i32.const 1024) (local.get $x))
    (i32.add (call $fork) (i32.load (i32.const 1024)))))
