;; A memory whose pages have one byte (the custom-page-sizes proposal): its end is where its size says.
;; RUN: run
;; INVOKE: run 3
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory (export "memory") 200 (pagesize 1))
  (func $f (export "run") (param $n i32) (result i32)
    (i32.store8 (i32.add (local.get $n) (i32.const 190)) (call $fork (local.get $n)))
    (memory.size)
    (if (local.get $n) (then (drop (call $f (i32.sub (local.get $n) (i32.const 1))))))
    (i32.add (i32.load8_u (i32.add (local.get $n) (i32.const 190))))))
