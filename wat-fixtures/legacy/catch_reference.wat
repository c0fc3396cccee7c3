;; A handler with sites catches a reference, which it drops or only tests before them: a rewind enters it with null.
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (import "env" "log" (func $log (param i32)))
  (memory (export "memory") 1)
  (elem declare func $thrower)
  (tag $e (param i32 funcref))
  (func $thrower (param $x i32)
    (throw $e (local.get $x) (ref.func $thrower)))
  (func (export "run") (param $x i32) (result i32)
    (i32.mul (local.get $x) (i32.const 1000))
    try (result i32)
      (call $log (call $fork (i32.const 1)))
      (call $thrower (local.get $x))
      (i32.const 5)
    catch $e
      (drop)
      (call $log (call $fork (i32.const 2)))
      (local.set $x)
      try (result i32)
        (call $log (call $fork (i32.const 3)))
        (call $thrower (local.get $x))
        (i32.const 5)
      catch $e
        (ref.is_null)
        (call $log (call $fork (i32.const 4)))
        (i32.add)
      end
    end
    i32.add))
