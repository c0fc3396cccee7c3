;; A site in the body of a legacy try: its landing is inside, the handler never sees the unwind.
;; RUN: rewrite
(module $m
  (import "env" "fork" (func $fork (result i32)))
  (memory 1)
  (tag $e (param i32))
  (func $f (export "run") (result i32)
    try (result i32)
      call $fork
      throw $e
    catch $e
    catch_all
      i32.const -1
    end))
