;; An argument that is teed into a local which is used after the site.
;; RUN: run
;; INVOKE: run 5
(module
  (import "env" "fork" (func $fork (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "run") (param $x i32) (result i32)
    (local $t i32)
    (call $fork
      (local.tee $t (i32.add (local.get $x) (i32.const 1)))
      (local.tee $x (i32.const 70)))
    (i32.add (local.get $t))
    (i32.mul (local.get $x))))
