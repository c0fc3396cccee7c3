;; A site in a handler of a legacy try: the rewind throws once more what the handler caught.
;; RUN: rewrite
(module $m
  (import "env" "fork" (func $fork (result i32)))
  (memory 1)
  (tag $e (param i32))
  (func $thrower)
  (func $f (export "run") (result i32)
    try (result i32)
      call $thrower
      i32.const 0
    catch $e
      call $fork
      i32.add
    end))
