;; Values below a block that contains the site, and below blocks around that block.
;; RUN: run
;; INVOKE: run 5
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "memory") 1)
  (func (export "run") (param $x i32) (result i64)
    (i64.extend_i32_s (i32.add (local.get $x) (i32.const 9)))
    (block (result i64)
      (i64.const 1000)
      (i32.shl (local.get $x) (i32.const 2))
      (block (result i32)
        (i32.add (call $fork) (i32.const 1)))
      i32.sub
      i64.extend_i32_s
      i64.mul)
    i64.sub))
