;; Handlers that are live in several activations of one function at once: the one that runs follows the dynamic order.
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (import "env" "log" (func $log (param i32)))
  (memory (export "memory") 1)
  (tag $e (param i32))
  (func $deep (param $n i32) (result i32) (local $caught i32)
    (i32.eqz (local.get $n))
    if
      (return (call $fork (i32.const 1)))
    end
    try
      (throw $e (i32.mul (local.get $n) (i32.const 3)))
    catch $e
      (local.set $caught)
      (call $log (call $deep (i32.sub (local.get $n) (i32.const 1))))
      try
        (throw $e (i32.add (local.get $caught) (call $fork (i32.const 2))))
      catch $e
        (local.set $caught)
      end
    end
    (local.get $caught))
  (func (export "run") (param $x i32) (result i32)
    (call $deep (local.get $x))))
