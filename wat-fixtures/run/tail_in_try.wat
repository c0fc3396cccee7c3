;; Tail calls inside a `try_table`: what the callee throws passes the handlers of the function that is gone, before an unwind and after.
;; RUN: run
;; INVOKE: run 1
;; INVOKE: run 2
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (import "env" "log" (func $log (param i32)))
  (memory (export "memory") 1)
  (tag $e (param i32))
  (func $throws (param $x i32) (result i32)
    (local.set $x (i32.add (call $fork (local.get $x)) (local.get $x)))
    (if (i32.and (local.get $x) (i32.const 1)) (then (throw $e (local.get $x))))
    (local.get $x))
  (func $middle (param $x i32) (result i32)
    (block $caught (result i32)
      (try_table (catch $e $caught)
        (if (i32.gt_u (local.get $x) (i32.const 1)) (then (call $log (call $throws (local.get $x)))))
        (return_call $throws (i32.add (local.get $x) (i32.const 10))))
      unreachable)
    (call $log)
    (call $fork (i32.const 55)))
  (func (export "run") (param $x i32) (result i32)
    (block $caught (result i32)
      (try_table (result i32) (catch $e $caught)
        (i32.mul (call $middle (local.get $x)) (i32.const 2)))
      (i32.add (call $fork (i32.const 66))))
    (i32.add (call $fork (i32.const 77)))))
