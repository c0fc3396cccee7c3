;; As compilers write C++: a destructor that forks runs while an exception is on its way, in frames above each other; the exception is
;; in a local, and thrown on behind it. Tags of several kinds, and payloads of all numeric types.
;; RUN: run
;; INVOKE: run 0
;; INVOKE: run 1
;; INVOKE: run 2
;; INVOKE: run 3
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (import "env" "log" (func $log (param i32)))
  (import "env" "log_all" (func $log_all (param i32 i64 f32 f64 v128)))
  (memory (export "memory") 1)
  (tag $cpp (param i32))
  (tag $all (param i32 i64 f32 f64 v128))
  (tag $two (param i64 i32))
  (tag $none)
  (func $dtor (param $x i32)
    (call $log (i32.add (call $fork (local.get $x)) (local.get $x))))
  (func $throw (param $x i32)
    (call $log (call $fork (i32.const 1)))
    (block $d (block $c (block $b (block $a
      (br_table $a $b $c $d (local.get $x)))
      (throw $cpp (i32.const 1234)))
      (throw $all (i32.const 1) (i64.const 0x1122334455667788) (f32.const -0.5) (f64.const 1e300) (v128.const i64x2 3 4)))
      (throw $two (i64.const -7) (i32.const 70)))
    (throw $none))
  (func $inner (param $x i32)
    (local $e exnref) (local $kept i64)
    (local.set $kept (i64.const 5))
    (block $c (result exnref)
      (try_table (catch_all_ref $c) (call $throw (local.get $x)))
      (unreachable))
    (local.set $e)
    (call $dtor (i32.wrap_i64 (local.get $kept)))
    (call $dtor (i32.const 6))
    (throw_ref (local.get $e)))
  (func $outer (param $x i32)
    (local $e exnref)
    (loop $again
      (block $c (result exnref)
        (try_table (catch_all_ref $c) (call $inner (local.get $x)))
        (unreachable))
      (local.set $e)
      (call $dtor (i32.const 8))
      (br_if $again (i32.eq (local.tee $x (i32.add (local.get $x) (i32.const 10))) (i32.const 12))))
    (throw_ref (local.get $e)))
  (func (export "run") (param $x i32) (result i32)
    (block $n
      (block $t (result i64 i32)
        (block $a (result i32 i64 f32 f64 v128)
          (block $h (result i32)
            (try_table (catch $cpp $h) (catch $all $a) (catch $two $t) (catch_all $n) (call $outer (local.get $x)))
            (unreachable))
          (return))
        (call $log_all)
        (return (i32.const 2)))
      (call $log)
      (return (i32.wrap_i64)))
    (i32.const -5)))
