;; Functions that always throw have a result of a type without values: nothing could be returned by an unwind, which is undone there;
;; in both ways to undo one, and with frames below that were saved already.
;; RUN: run
;; INVOKE: run 3
;; INVOKE: run 4
;; UNDONE: a function that can return nothing
(module
  (type $t (func (param i32) (result i32)))
  (import "env" "fork" (func $fork (type $t)))
  (import "env" "log" (func $log (param i32)))
  (memory (export "memory") 1)
  (table $tab (export "tab") 2 funcref)
  (elem (table $tab) (i32.const 0) func $fork $inner)
  (tag $e (param i32))
  (type $s (struct (field (ref $s))))
  (func $inner (type $t) (local i64)
    (local.set 1 (i64.const 6))
    (i32.add (call $fork (local.get 0)) (i32.wrap_i64 (local.get 1))))
  (func $throws (param $x i32) (result (ref none))
    (throw $e (i32.add (call $inner (local.get $x)) (local.get $x))))
  (func $throws_indirectly (param $x i32) (result (ref $s) i32)
    (throw $e (i32.add (call_indirect $tab (type $t) (local.get $x) (i32.const 0)) (local.get $x))))
  (func (export "run") (param $x i32) (result i32)
    (block $h (result i32)
      (try_table (catch $e $h)
        (if (i32.eq (local.get $x) (i32.const 3)) (then (drop (call $throws (local.get $x)))))
        (drop (drop (call $throws_indirectly (local.get $x)))))
      (unreachable))))
