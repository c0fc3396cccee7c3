;; A return out of nested blocks and loops right after a site, with leftover operands.
;; RUN: run
;; INVOKE: run 0
;; INVOKE: run 1
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "memory") 1)
  (func (export "run") (param $x i32) (result i64 i32)
    (f64.const 1)
    (loop $l
      (i32.const 9)
      (block
        (i64.const 5)
        (call $fork)
        (if (local.get $x) (then (return (i64.const 1) (call $fork))))
        return)
      drop)
    unreachable))
