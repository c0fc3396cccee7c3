;; `rethrow` after a rewind into the handler throws what was caught, from nested handlers too.
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (import "env" "log" (func $log (param i32)))
  (memory (export "memory") 1)
  (tag $e (param i32))
  (tag $f (param i32))
  (func $level (param $n i32) (result i32)
    try $outer (result i32)
      (i32.eqz (local.get $n))
      if
        (throw $e (i32.const 40))
      end
      (call $level (i32.sub (local.get $n) (i32.const 1)))
    catch $e
      (call $log (i32.add (call $fork (local.get $n)) (i32.const 500)))
      (drop)
      try $inner (result i32)
        (throw $f (local.get $n))
      catch $f
        (call $log)
        (call $log (call $fork (i32.const 77)))
        (i32.lt_s (local.get $n) (i32.const 2))
        if
          (rethrow $outer)
        end
        (call $fork (i32.const 78))
      end
    end)
  (func (export "run") (param $x i32) (result i32)
    (call $level (local.get $x))))
