;; Pads inside pads, and inside handlers of one tag: an inner pad throws on what it caught itself, or what the outer one did;
;; sites lie in the bodies and handlers of `try`s inside; a pad is left by a branch, or at its end with a result; recursion.
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (import "env" "log" (func $log (param i32)))
  (memory (export "memory") 1)
  (tag $e (param i32))
  (tag $f (param i32 i32))
  (func $cleanup (param i32) (result i32)
    (call $log (local.get 0))
    (i32.add (call $fork (local.get 0)) (local.get 0)))
  (func $scope (param $n i32) (param $how i32) (result i32) (local $sum i32)
    block $left (result i32)
      try $outer (result i32)
        (i32.eqz (local.get $n))
        if
          (throw $e (i32.add (local.get $how) (i32.const 40)))
        end
        (call $scope (i32.sub (local.get $n) (i32.const 1)) (local.get $how))
      catch_all
        (local.set $sum (call $cleanup (i32.const 1)))
        try $inner (result i32)
          (call $log (call $fork (i32.const 2)))
          (throw $f (local.get $n) (local.get $sum))
        catch $e
          drop
          (i32.const 5)
        catch_all
          (local.set $sum (i32.add (local.get $sum) (call $cleanup (i32.const 3))))
          (i32.eq (local.get $how) (i32.const 1))
          if
            (i32.eq (local.get $n) (i32.const 2))
            if
              rethrow $inner
            end
            rethrow $outer
          end
          try
            (call $log (call $fork (i32.const 4)))
            (i32.eq (local.get $how) (i32.const 2))
            if
              (throw $e (local.get $sum))
            end
          catch $e
            (call $log (i32.add (call $fork (i32.const 5))))
          catch_all
            rethrow 0
          end
          (i32.eq (local.get $how) (i32.const 3))
          if
            (br $left (call $cleanup (i32.const 6)))
          end
          (i32.add (local.get $sum) (call $fork (i32.const 7)))
        end
        (i32.add (call $cleanup (i32.const 8)))
      end
      (i32.add (i32.const 1000))
    end)
  (func (export "run") (param $x i32) (result i32)
    try (result i32)
      (call $scope (i32.const 3) (local.get $x))
    catch $e
      (i32.add (i32.const 100000))
    catch $f
      i32.add
      (i32.add (i32.const 200000))
    end))
