;; A memory is added for frames: the program's own is full, and nothing in it changes but what the program does.
;; RUN: run
;; OWN-MEMORY:
;; INVOKE: run 5
;; INVOKE: run 2
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory (export "memory") 1 1)
  (data (i32.const 0) "\01\02\03\04\05\06\07\08")
  (global $g (mut f64) (f64.const 1.5))
  (func $f (export "run") (param $n i32) (result f64)
    (f64.mul
      (f64.convert_i32_s (call $fork (i32.load (local.get $n))))
      (global.get $g))
    (i32.store8 (local.get $n) (i32.add (i32.load8_u (local.get $n)) (local.get $n)))
    (if (local.get $n)
      (then (global.set $g (f64.add (global.get $g) (call $f (i32.sub (local.get $n) (i32.const 1)))))))
    (f64.add (f64.load (i32.const 65528)))))
