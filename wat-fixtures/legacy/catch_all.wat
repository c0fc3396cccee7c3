;; A site inside `catch_all` without `rethrow`, beside a `catch` with one; either can be the one that runs.
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (import "env" "log" (func $log (param i32)))
  (memory (export "memory") 1)
  (tag $a (param i32))
  (tag $b)
  (func $thrower (param $x i32)
    (i32.eq (local.get $x) (i32.const 1))
    if
      (throw $a (i32.const 11))
    end
    (i32.eq (local.get $x) (i32.const 2))
    if
      (throw $b)
    end
    (call $log (call $fork (i32.const 9))))
  (func $once (param $x i32) (result i32)
    try (result i32)
      (call $thrower (local.get $x))
      (i32.const 100)
    catch $a
      (i32.add (call $fork (i32.const 1)))
    catch_all
      (call $log (call $fork (i32.const 2)))
      (i32.sub (call $fork (i32.const 3)) (local.get $x))
    end)
  (func (export "run") (param $x i32) (result i32) (local $i i32) (local $sum i32)
    loop $again
      (local.set $sum (i32.add (local.get $sum) (call $once (local.get $i))))
      (call $log (local.get $sum))
      (br_if $again (i32.lt_s (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 4)))
    end
    (local.get $sum)))
