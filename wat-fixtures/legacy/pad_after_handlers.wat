;; A pad behind handlers of its `try` with and without sites, below operands that are used after it, in a loop.
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (import "env" "log" (func $log (param i32)))
  (memory (export "memory") 1)
  (tag $e (param i32))
  (tag $f (param i32))
  (tag $g (param f32))
  (func $throws (param $x i32)
    block
      block
        block
          (br_table 0 1 2 2 (local.get $x))
        end
        (throw $e (i32.const 1))
      end
      (throw $f (i32.const 2))
    end
    (throw $g (f32.const 3)))
  (func $scope (param $x i32) (result i32)
    (i32.mul (i32.const 3) (call $fork (i32.const 1)))
    try (result i32)
      (call $throws (local.get $x))
      (i32.const 0)
    catch $e
      (i32.mul (call $fork (i32.const 2)))
    catch $f
      (i32.add (i32.const 20))
    catch_all
      (call $log (call $fork (i32.const 3)))
      (call $log (call $fork (i32.const 4)))
      rethrow 0
    end
    i32.sub)
  (func (export "run") (param $x i32) (result i32) (local $i i32) (local $sum i32)
    loop $again
      try
        (local.set $sum (i32.add (local.get $sum) (call $scope (local.get $i))))
      catch $g
        (call $log (i32.trunc_f32_s))
        (local.set $sum (i32.add (local.get $sum) (call $fork (i32.const 5))))
      end
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.le_u (local.get $i) (local.get $x)))
    end
    (local.get $sum)))
