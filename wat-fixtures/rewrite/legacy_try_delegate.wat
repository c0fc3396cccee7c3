;; A legacy try that delegates, around a site: its label still counts from outside the try.
;; RUN: rewrite
(module $m
  (import "env" "fork" (func $fork (result i32)))
  (memory 1)
  (tag $e)
  (func $f (export "run") (result i32)
    try (result i32)
      try (result i32)
        call $fork
      delegate 0
    catch $e
      i32.const 1
    end))
