;; A local that is used only in the next iteration, before the site: live around the back edge.
;; RUN: run
;; INVOKE: run 4
(module
  (import "env" "fork" (func $fork (result i32)))
  (import "env" "log" (func $log (param i32)))
  (memory (export "memory") 1)
  (func (export "run") (param $n i32)
    (local $last i32) (local $i i32)
    (loop $l
      (call $log (local.get $last))
      (local.set $last (i32.mul (local.get $i) (i32.const 3)))
      (drop (call $fork))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $l (i32.lt_u (local.get $i) (local.get $n))))))
