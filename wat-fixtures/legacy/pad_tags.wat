;; A pad tells apart what it caught: tags with no, one and several values of all types, an imported one among them. It is the
;; same on the next level, where a pad catches what another threw on.
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (import "env" "log" (func $log (param i32)))
  (memory (export "memory") 1)
  (tag $none)
  (tag $one (param i64))
  (tag $many (param i32 f64 i64 i32 f32))
  (tag $same (param i32 i32 i32))
  (func $throws (param $x i32)
    block
      block
        block
          block
            (br_table 0 1 2 3 (local.get $x))
          end
          throw $none
        end
        (throw $one (i64.const 0x1234567890abcdef))
      end
      (throw $many (i32.const 11) (f64.const 2.5) (i64.const -3) (i32.const 44) (f32.const 0.5))
    end
    (throw $same (i32.const 7) (i32.const 8) (i32.const 9)))
  (func $inner (param $x i32) (local $i i32)
    try
      (call $throws (local.get $x))
    catch_all
      loop $again
        (call $log (i32.add (call $fork (local.get $i)) (local.get $x)))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $i) (i32.const 2)))
      end
      rethrow 0
    end)
  (func $outer (param $x i32)
    try
      (call $inner (local.get $x))
    catch_all
      (call $log (call $fork (i32.const 50)))
      rethrow 0
    end)
  (func (export "run") (param $x i32) (result i32)
    try (result i32)
      (call $outer (local.get $x))
      (i32.const -1)
    catch $none
      (i32.const 1)
    catch $one
      (i64.eq (i64.const 0x1234567890abcdef))
      (i32.mul (i32.const 1000))
    catch $many
      (drop (i32.trunc_f32_s (f32.mul (f32.const 10))))
      (call $log)
      (call $log (i32.wrap_i64))
      (call $log (i32.trunc_f64_s (f64.mul (f64.const 10))))
    catch $same
      (i32.mul (i32.const 10))
      (i32.add)
      (i32.mul (i32.const 10))
      (i32.add)
    end))
