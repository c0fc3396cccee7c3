;; Tail calls of the entry inside a legacy `try`, by name and through a table, in its body, in a handler and in one that may rethrow.
(module
  (type $t (func (param i32) (result i32)))
  (import "env" "fork" (func $fork (type $t)))
  (import "env" "log" (func $log (param i32)))
  (memory (export "memory") 1)
  (table $t funcref (elem $fork $throws))
  (tag $e (param i32))
  (func $throws (type $t)
    (throw $e (call $fork (local.get 0))))
  (func $leaves (param $x i32) (result i32)
    try
      (i32.eqz (local.get $x))
      if
        (return_call $fork (i32.const 5))
      end
      (return_call_indirect $t (type $t) (local.get $x) (i32.and (local.get $x) (i32.const 1)))
    catch_all
      (call $log (i32.const 1))
      rethrow 0
    end
    i32.const 0)
  (func $handles (param $x i32) (result i32)
    try
      try
        (call $log (call $throws (local.get $x)))
      catch $e
        (return_call $fork)
      end
    catch_all
      rethrow 0
    end
    i32.const 0)
  (func (export "run") (param $x i32) (result i32) (local $i i32)
    loop $again (result i32)
      try (result i32)
        (call $leaves (local.get $i))
      catch $e
        (i32.add (i32.const 1000))
      end
      (call $log)
      (call $log (call $handles (local.get $i)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_s (local.get $i) (local.get $x)))
      (local.get $i)
    end))
