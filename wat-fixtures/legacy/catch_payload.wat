;; A site inside `catch`: the values caught are there again after a rewind, and so is what lay below the `try`.
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (import "env" "log" (func $log (param i32)))
  (memory (export "memory") 1)
  (tag $e (param i32 f64 i64))
  (func $thrower (param $x i32)
    (throw $e (local.get $x) (f64.convert_i32_s (local.get $x)) (i64.extend_i32_s (i32.mul (local.get $x) (i32.const 7)))))
  (func (export "run") (param $x i32) (result i32) (local $sum i64)
    (i32.mul (local.get $x) (i32.const 1000))
    try (result i32)
      (call $log (call $fork (i32.const 1)))
      (call $thrower (local.get $x))
      (i32.const 5)
    catch $e
      (local.set $sum)
      (call $log (call $fork (i32.const 2)))
      (call $log (i32.trunc_f64_s))
      (call $log (i32.wrap_i64 (local.get $sum)))
      (call $log (call $fork (i32.const 3)))
      (call $log)
      (i32.wrap_i64 (local.get $sum))
    end
    i32.add))
