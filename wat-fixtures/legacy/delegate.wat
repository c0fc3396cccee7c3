;; `delegate` still leads to the outer handler when the `try` around it is rewritten, with and without an unwind.
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (import "env" "log" (func $log (param i32)))
  (memory (export "memory") 1)
  (tag $e (param i32))
  (func $thrower (param $x i32) (result i32)
    (local.set $x (i32.add (local.get $x) (call $fork (i32.const 5))))
    (i32.and (local.get $x) (i32.const 1))
    if
      (throw $e (local.get $x))
    end
    (local.get $x))
  (func (export "run") (param $x i32) (result i32) (local $i i32)
    loop $again (result i32)
      block $done (result i32)
        try $outer (result i32)
          try (result i32)
            block $skip
              try
                (call $log (call $thrower (local.get $i)))
              delegate $outer
            end
            (call $thrower (i32.add (local.get $i) (i32.const 2)))
          catch $e
            (drop)
            (i32.const 9999)
          end
        catch $e
          (i32.mul (call $fork (i32.const 6)))
        end
        (call $log)
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $again (i32.lt_s (local.get $i) (local.get $x)))
        (local.get $i)
      end
    end))
