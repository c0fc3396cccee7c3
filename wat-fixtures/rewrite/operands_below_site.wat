;; What lies below the arguments of a site goes to locals before it and comes back after it.
;; RUN: rewrite
(module $m
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory 1)
  (func $f (export "run") (param $p i32)
    (local.get $p)
    (i32.load (local.get $p))
    (call $fork (i32.const 3))
    (i32.add)
    (i32.store offset=4)))
