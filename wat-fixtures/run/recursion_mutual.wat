;; Two functions that call each other, with sites at different depths and values of different types.
;; RUN: run
;; INVOKE: run 9
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "memory") 1)
  (func $even (export "run") (param $n i32) (result i64)
    (local $f f64)
    (local.set $f (f64.convert_i32_u (local.get $n)))
    (if (i32.eqz (local.get $n)) (then (return (i64.extend_i32_s (call $fork)))))
    (i64.add
      (call $odd (i64.extend_i32_u (i32.sub (local.get $n) (i32.const 1))))
      (i64.trunc_f64_s (local.get $f))))
  (func $odd (param $n i64) (result i64)
    (block $out
      (br_if $out (i64.ne (local.get $n) (i64.const 0)))
      (return (i64.extend_i32_s (call $fork))))
    (i64.mul
      (call $even (i32.wrap_i64 (i64.sub (local.get $n) (i64.const 1))))
      (i64.add (local.get $n) (i64.extend_i32_s (call $fork))))))
