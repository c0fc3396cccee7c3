;; An exception in a local across a site, and thrown again behind it; it gets to a frame further up.
;; RUN: run
;; INVOKE: run 1
;; INVOKE: run 0
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (import "env" "log" (func $log (param i32)))
  (memory (export "memory") 1)
  (tag $e (param i32))
  (tag $none)
  (func $scope (param $x i32)
    (local $e exnref)
    (block $h (result exnref)
      (try_table (catch_all_ref $h)
        (if (local.get $x) (then (throw $e (i32.const 77))))
        (throw $none))
      (unreachable))
    (local.set $e)
    (call $log (call $fork (local.get $x)))
    (throw_ref (local.get $e)))
  (func (export "run") (param $x i32) (result i32)
    (block $all
      (block $h (result i32)
        (try_table (catch $e $h) (catch_all $all) (call $scope (local.get $x)))
        (unreachable))
      (return))
    (i32.const -5)))
