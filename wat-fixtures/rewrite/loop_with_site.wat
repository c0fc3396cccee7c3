;; A site in a loop: the landing is in the body.
;; RUN: rewrite
(module $m
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory 1)
  (func $f (export "run") (param $n i32)
    (loop $l
      (br_if $l (i32.lt_s (call $fork (local.get $n)) (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))))
