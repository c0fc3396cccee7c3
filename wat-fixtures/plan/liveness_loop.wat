;; A local that is read at the top of a loop lives across a site at its bottom.
;; RUN: plan
(module
  (import "env" "fork" (func $fork (result i32)))
  (import "env" "use" (func $use (param i64)))
  (memory 1)
  (func $f (export "run") (param $n i32)
    (local $last i64) (local $dead i64)
    (loop $l
      (call $use (local.get $last))
      (local.set $last (i64.extend_i32_s (local.get $n)))
      (local.set $dead (i64.const 4))
      (call $use (local.get $dead))
      (br_if $l (call $fork)))))
