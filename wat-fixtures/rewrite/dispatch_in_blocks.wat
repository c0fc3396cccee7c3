;; Sites in a block and in both arms of an if: how the landings are reached.
;; RUN: rewrite
(module $m
  (import "env" "fork" (func $fork (result i32)))
  (import "env" "log" (func $log (param i32)))
  (memory 1)
  (func $f (export "run") (param $x i32)
    (call $log (i32.const 1))
    (block $b
      (br_if $b (call $fork))
      (call $log (i32.const 2))
      (if (local.get $x)
        (then (call $log (call $fork)))
        (else (drop (call $fork)) (call $log (i32.const 3)))))))
