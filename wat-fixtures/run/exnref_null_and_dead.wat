;; Of locals with exceptions some are null at a site, some dead: another function's, whose tag is not known here but by catch_all, would undo
;; the unwind where it is needed, and only there.
;; RUN: run
;; INVOKE: run 3
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (import "env" "log" (func $log (param i32)))
  (import "env" "tag" (tag $host (param externref)))
  (memory (export "memory") 1)
  (tag $e (param i32))
  (func (export "run") (param $x i32) (result i32)
    (local $a exnref) (local $b exnref)
    (call $log (call $fork (i32.const 1)))
    (block $h (result exnref)
      (try_table (catch_all_ref $h) (throw $host (ref.null extern)))
      (unreachable))
    (local.set $a)
    (call $log (ref.is_null (local.get $a)))
    (call $log (call $fork (i32.const 2)))
    (local.set $a (local.get $b))
    (call $log (call $fork (i32.const 3)))
    (call $log (ref.is_null (local.get $b)))
    (call $log (ref.is_null (local.get $a)))
    (i32.const 4)))
