;; Tail calls inside a legacy `try` and inside its handlers: what the callee throws passes them, before an unwind and after. The entry is
;; tail-called in the outermost handler.
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (import "env" "log" (func $log (param i32)))
  (memory (export "memory") 1)
  (tag $e (param i32))
  (func $throws (param $x i32) (result i32)
    (local.set $x (i32.add (call $fork (local.get $x)) (local.get $x)))
    (i32.and (local.get $x) (i32.const 1))
    if
      (throw $e (local.get $x))
    end
    (local.get $x))
  (func $middle (param $x i32) (result i32)
    try
      (i32.gt_u (local.get $x) (i32.const 2))
      if
        (call $log (call $throws (local.get $x)))
      end
      (i32.gt_u (local.get $x) (i32.const 1))
      if
        (return_call $throws (i32.add (local.get $x) (i32.const 10)))
      end
    catch $e
      (call $log (call $fork (i32.const 55)))
      (return_call $throws)
    end
    (call $throws (local.get $x)))
  (func $to_entry (param $x i32) (result i32)
    try
      (call $log (call $throws (local.get $x)))
    catch $e
      (return_call $fork)
    end
    (return_call $middle (local.get $x)))
  (func (export "run") (param $x i32) (result i32) (local $i i32)
    loop $again (result i32)
      try (result i32)
        (i32.mul (call $middle (local.get $i)) (i32.const 2))
      catch $e
        (i32.add (call $fork (i32.const 66)))
      end
      (call $log)
      try (result i32)
        (call $to_entry (local.get $i))
      catch $e
      end
      (call $log)
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_s (local.get $i) (local.get $x)))
      (local.get $i)
    end))
