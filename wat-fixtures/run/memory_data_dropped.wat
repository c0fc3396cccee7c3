;; A passive segment is dropped before the site; what a copy of memory doesn't carry stays so in
;; the same instance.
;; RUN: run
;; INVOKE: run
;; RETURNS: 2
;; SAME-INSTANCE-ONLY: a fresh instance has the segment again
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "memory") 1)
  (data $d "abc")
  (func (export "run") (result i32)
    (memory.init $d (i32.const 0) (i32.const 0) (i32.const 3))
    (data.drop $d)
    (memory.init $d (i32.const 50) (i32.const 0) (i32.and (call $fork) (i32.const 1)))
    (i32.load (i32.const 0))))
