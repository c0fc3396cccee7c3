;; An exception in a local across a site: its tag and values are in the frame, and it is thrown again for a rewind.
;; RUN: rewrite
;; WITH-RUNTIME:
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory 1)
  (tag $cpp (param i32))
  (tag $two (param i32 f64))
  (func (export "run") (param $e exnref)
    (drop (call $fork))
    (throw_ref (local.get $e))))
