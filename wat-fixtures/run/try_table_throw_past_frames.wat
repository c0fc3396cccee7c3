;; The exception passes several instrumented frames after the rewind; an inner handler for another
;; tag lets it by. The last call ends in an uncaught exception.
;; RUN: run
;; RETURNS: 1 2 3
;; INVOKE: run 2
;; INVOKE: run 2
;; INVOKE: run 2
(module
  (import "env" "fork" (func $fork (result i32)))
  (import "env" "log" (func $log (param i32)))
  (memory (export "memory") 1)
  (tag $a)
  (tag $b (param i32))
  (tag $c)
  (func $leaf (param $x i32) (result i32)
    (local $r i32)
    (local.set $r (call $fork))
    (if (i32.eq (local.get $r) (i32.const 2)) (then (throw $b (local.get $x))))
    (if (i32.eq (local.get $r) (i32.const 3)) (then (throw $c)))
    (local.get $r))
  (func $inner (param $x i32) (result i32)
    (local $y i32)
    (local.set $y (i32.mul (local.get $x) (i32.const 10)))
    (block $h
      (return
        (try_table (result i32) (catch $a $h)
          (i32.add (call $leaf (i32.add (local.get $x) (i32.const 1))) (local.get $y)))))
    (call $log (i32.const -1))
    (local.get $y))
  (func (export "run") (param $x i32) (result i32)
    (i32.const 1000)
    (block $h (result i32)
      (try_table (result i32) (catch $b $h)
        (i32.mul (call $inner (local.get $x)) (i32.const 2))))
    (call $log (local.get $x))
    i32.add))
