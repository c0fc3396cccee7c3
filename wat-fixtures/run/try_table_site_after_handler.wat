;; A site in the code that a handler branches to: outside the try_table, so an ordinary site.
;; RUN: run
;; INVOKE: run
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory (export "memory") 1)
  (tag $e (param i32))
  (func (export "run") (result i32)
    (block $h (result i32)
      (try_table (catch $e $h)
        (drop (call $fork (i32.const 1)))
        (throw $e (i32.const 30)))
      unreachable)
    (i32.add (call $fork (i32.const 2)))))
