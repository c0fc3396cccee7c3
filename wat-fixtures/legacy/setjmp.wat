;; What compilers make of `setjmp`: a loop around a `try` that dispatches on where the jump came from.
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (import "env" "log" (func $log (param i32)))
  (memory (export "memory") 1)
  (tag $longjmp (param i32))
  (func $work (param $x i32)
    (call $log (call $fork (local.get $x)))
    (i32.lt_s (local.get $x) (i32.const 3))
    if
      (throw $longjmp (i32.add (local.get $x) (i32.const 1)))
    end)
  (func (export "run") (param $x i32) (result i32) (local $value i32) (local $label i32)
    loop $again
      block $out
        block $caught (result i32)
          try (result i32)
            block $second
              block $first
                (br_table $first $second (local.get $label))
              end
              (call $work (i32.const 0))
            end
            (call $work (local.get $value))
            (br $out)
          catch $longjmp
          end
        end
        (local.set $value)
        (local.set $label (i32.const 1))
        (br $again)
      end
    end
    (i32.add (local.get $value) (local.get $x))))
