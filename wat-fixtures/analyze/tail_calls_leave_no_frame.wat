;; A function that is on the path by tail calls only leaves no frame.
;; RUN: analyze
(module
  (import "env" "fork" (func $fork))
  (memory 1)
  (func $tail (return_call $fork))
  (func $tail_of_tail (return_call $tail))
  (func $both (param i32)
    (if (local.get 0) (then (return_call $tail)))
    (call $tail)))
