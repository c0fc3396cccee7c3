;; The text parser has no rule for folded legacy exceptions: that is said, and what works instead.
;; RUN: reject
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory 1)
  (tag $t (param i32))
  (func (export "run") (result i32)
    (try (result i32)
      (do (call $fork))
      (catch $t))))
