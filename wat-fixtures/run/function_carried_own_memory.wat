;; A module without memory keeps a reference of a function, in frames that go to a memory which is added.
;; RUN: run
;; INVOKE: run 4
;; OWN-MEMORY:
;; CARRY-REFERENCES: functions are told apart by their slots in a table
(module
  (type $t (func (param i32) (result i32)))
  (import "env" "fork" (func $fork (type $t)))
  (import "env" "log" (func $log (param i32)))
  (elem declare func $one $two)
  (func $one (type $t) (i32.add (call $fork (local.get 0)) (i32.const 1)))
  (func $two (type $t) (i32.mul (call $fork (local.get 0)) (i32.const 2)))
  (func (export "run") (param $n i32) (result i32)
    (local $f (ref $t)) (local $sum i32)
    (local.set $f (ref.func $one))
    (loop $again
      (local.set $sum (i32.add (local.get $sum) (call_ref $t (local.get $n) (local.get $f))))
      (local.set $f (select (result (ref $t)) (ref.func $two) (ref.func $one) (i32.and (local.get $n) (i32.const 1))))
      (call $log (call $fork (local.get $sum)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (call_ref $t (local.get $sum) (local.get $f))))
