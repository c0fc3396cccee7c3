;; LLVM's everyday shape: address, call, store. The address is below the call.
;; RUN: run
;; INVOKE: run 64
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "run") (param $p i32)
    local.get $p
    (call $fork (i32.const 1))
    i32.store offset=4
    (i32.add (local.get $p) (i32.const 32))
    (call $fork (i32.load offset=4 (local.get $p)))
    i32.store8 offset=1))
