;; A pad: sites in it leave by way of its end, where it is found out what it caught; a rewind throws that in the body.
;; RUN: rewrite
;; WITH-RUNTIME:
(module $m
  (import "env" "fork" (func $fork (result i32)))
  (memory 1)
  (tag $e (param i32))
  (tag $f (param i64 i32))
  (func $thrower)
  (func $f (export "run")
    try
      call $thrower
    catch_all
      call $fork
      drop
      rethrow 0
    end))
