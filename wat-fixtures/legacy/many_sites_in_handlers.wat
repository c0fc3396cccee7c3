;; Sites in the body, in two handlers, in a loop in a handler, and behind the `try`.
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (import "env" "log" (func $log (param i32)))
  (memory (export "memory") 1)
  (tag $a (param i32))
  (tag $b (param i32))
  (func $maybe (param $x i32)
    (call $log (call $fork (i32.const 20)))
    (i32.eq (local.get $x) (i32.const 1))
    if
      (throw $a (i32.const 5))
    end
    (i32.eq (local.get $x) (i32.const 2))
    if
      (throw $b (i32.const 6))
    end)
  (func (export "run") (param $x i32) (result i32) (local $i i32) (local $n i32)
    loop $next
      try
        (call $log (call $fork (i32.const 1)))
        (call $maybe (local.get $n))
        (call $log (call $fork (i32.const 2)))
      catch $a
        (local.set $i)
        loop $count
          (call $log (i32.add (local.get $i) (call $fork (i32.const 3))))
          (br_if $count (local.tee $i (i32.sub (local.get $i) (i32.const 1))))
        end
        (call $log (call $fork (i32.const 4)))
      catch $b
        (call $log (call $fork (i32.const 5)))
        (i32.gt_s (call $fork (i32.const 6)) (i32.const 0))
        if (result i32)
          (call $fork (i32.const 7))
        else
          (i32.const 8)
        end
        (i32.add)
        (call $log)
      end
      (call $log (call $fork (i32.const 9)))
      (br_if $next (i32.lt_s (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 3)))
    end
    (local.get $n)))
