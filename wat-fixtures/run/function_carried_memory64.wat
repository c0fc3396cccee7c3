;; References of functions in fresh instances, kept for frames in a memory with 64-bit addresses.
;; RUN: run
;; INVOKE: run 6
;; CARRY-REFERENCES: functions are told apart by their slots in a table
(module
  (type $t (func (param i64) (result i64)))
  (import "env" "fork" (func $fork (type $t)))
  (memory (export "memory") i64 1)
  (elem declare func $plus $times $fork)
  (func $plus (type $t) (i64.add (call $fork (local.get 0)) (i64.const 1)))
  (func $times (type $t) (i64.mul (local.get 0) (i64.const 3)))
  (func $fold (param $f funcref) (param $g (ref $t)) (param $n i64) (result i64)
    (if (result i64) (i64.eqz (local.get $n))
      (then (call $fork (i64.const 0)))
      (else
        (call_ref $t
          (call_ref $t
            (call $fold (local.get $g) (ref.cast (ref $t) (local.get $f)) (i64.sub (local.get $n) (i64.const 1)))
            (local.get $g))
          (ref.cast (ref $t) (local.get $f))))))
  (func (export "run") (param $n i64) (result i64)
    (i64.add (call $fold (ref.func $plus) (ref.func $times) (local.get $n))
      (call $fold (ref.func $fork) (ref.func $plus) (i64.const 2)))))
