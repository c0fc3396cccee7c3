;; memory.copy, fill and init around sites, with sites in their operands.
;; RUN: run
;; INVOKE: run
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory (export "memory") 1)
  (data $d "hello, world")
  (func (export "run") (result i32)
    (memory.init $d (i32.const 100) (i32.and (call $fork (i32.const 0)) (i32.const 1)) (i32.const 12))
    (memory.copy (i32.const 200) (i32.const 103) (i32.and (call $fork (i32.const 1)) (i32.const 7)))
    (memory.fill (i32.and (call $fork (i32.const 2)) (i32.const 1023)) (call $fork (i32.const 3)) (i32.const 2))
    (i32.load (i32.const 200))))
