;; So many references of functions are away at once that the tables which keep them grow, several of them of the same function: in a fresh
;; instance, whose tables are as they were at first. Beside them references of the host's, which it knows itself.
;; RUN: run
;; INVOKE: run 9
;; CARRY-REFERENCES: the host carries over functions, and what is its own
(module
  (type $t (func (param i32) (result i32)))
  (import "env" "fork" (func $fork (type $t)))
  (import "env" "thing" (func $thing (result externref)))
  (import "env" "see" (func $see (param externref i32)))
  (memory (export "memory") 1)
  (table 3 funcref)
  (elem (i32.const 0) $a $b $c)
  (func $a (type $t) (i32.add (local.get 0) (i32.const 11)))
  (func $b (type $t) (i32.mul (local.get 0) (i32.const 5)))
  (func $c (type $t) (i32.sub (call $fork (local.get 0)) (i32.const 3)))
  (func $down (param $n i32) (param $f (ref null $t)) (result i32)
    (local $g (ref null $t)) (local $mine externref) (local $r i32)
    (if (i32.eqz (local.get $n)) (then (return (call $fork (i32.const 1)))))
    (local.set $mine (call $thing))
    (local.set $g (ref.cast (ref null $t) (table.get (i32.rem_u (local.get $n) (i32.const 3)))))
    (local.set $r (call $down (i32.sub (local.get $n) (i32.const 1)) (local.get $g)))
    (call $see (local.get $mine) (local.get $n))
    (if (i32.eqz (ref.is_null (local.get $f)))
      (then (local.set $r (call_ref $t (local.get $r) (local.get $f)))))
    (i32.rem_u (call_ref $t (local.get $r) (local.get $g)) (i32.const 1000003)))
  (func (export "run") (param $n i32) (result i32) (call $down (local.get $n) (ref.null $t))))
