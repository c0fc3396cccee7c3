;; As externref_undone, in functions that may call the entry through a table: they go back to their call with their locals as they are. What is
;; null or an `i31` at one call and neither at another is asked for where it counts.
;; RUN: run
;; INVOKE: run 3
;; UNDONE: the host's references
(module
  (type $t (func (param i32) (result i32)))
  (import "env" "fork" (func $fork (type $t)))
  (import "env" "log" (func $log (param i32)))
  (import "env" "make" (func $make (result externref)))
  (import "env" "use" (func $use (param externref)))
  (memory (export "memory") 1)
  (table $tab (export "tab") 2 funcref)
  (elem (table $tab) (i32.const 0) func $fork $inner)
  (func $inner (type $t) (local i64)
    (local.set 1 (i64.const 6))
    (i32.add (call_indirect $tab (type $t) (local.get 0) (i32.const 0)) (i32.wrap_i64 (local.get 1))))
  (func (export "run") (param $x i32) (result i32)
    (local $r externref) (local $s externref) (local $any anyref)
    (local.set $any (ref.i31 (local.get $x)))
    (local.set $r (call $make))
    (local.set $x (call_indirect $tab (type $t) (local.get $x) (i32.and (local.get $x) (i32.const 1))))
    (call $use (local.get $r))
    (local.set $s (local.get $r))
    (local.set $r (ref.null extern))
    (call $log (i31.get_s (ref.cast (ref i31) (local.get $any))))
    (local.set $x (call_indirect $tab (type $t) (local.get $x) (i32.const 0)))
    (call $use (local.get $s))
    (call $use (local.get $r))
    (local.get $x)))
