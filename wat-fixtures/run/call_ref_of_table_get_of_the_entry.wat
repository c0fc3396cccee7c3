;; call_ref of a `table.get` whose slot holds the entry itself: it takes its arguments again, and what has no room is repeated there.
;; RUN: run
;; INVOKE: run 0
;; INVOKE: run 1
(module
  (type $t (func (param i32) (result i32)))
  (import "env" "fork" (func $fork (type $t)))
  (import "env" "log" (func $log (param i32)))
  (memory (export "memory") 1)
  (table $typed 2 (ref null $t))
  (elem (table $typed) (i32.const 0) (ref null $t) (ref.func $fork) (ref.func $f))
  (func $f (type $t) (i32.add (call $fork (local.get 0)) (i32.const 1)))
  (func $index (param $x i32) (result i32) (call $log (local.get $x)) (local.get $x))
  (func (export "run") (param $x i32) (result i32)
    (local $y i32)
    (local.set $y (i32.mul (local.get $x) (i32.const 7)))
    (i32.const 3)
    (call_ref $t
      (local.tee $y (i32.add (local.get $y) (i32.const 1)))
      (table.get $typed (call $index (local.get $x))))
    i32.mul
    (i32.add (local.get $y))))
