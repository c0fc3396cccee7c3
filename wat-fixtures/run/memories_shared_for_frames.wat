;; Frames go to a shared memory by the name of its export; the program's first memory is its own.
;; RUN: run
;; MEMORY: threads
;; INVOKE: run 3
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory $data (export "data") 1)
  (memory $threads (export "threads") 1 9 shared)
  (global $g (mut i64) (i64.const 7))
  (func $f (export "run") (param $n i32) (result i32)
    (drop (i32.atomic.rmw.add $threads (i32.const 16) (local.get $n)))
    (i32.store $data (i32.const 8) (local.get $n))
    (i32.atomic.load $threads (i32.const 16))
    (global.set $g (i64.mul (global.get $g) (i64.const 3)))
    (if (local.get $n)
      (then (drop (call $f (i32.sub (local.get $n) (i32.const 1))))))
    (i32.add (call $fork (i32.wrap_i64 (global.get $g))))
    (i32.add (i32.load $data (i32.const 8)))))
