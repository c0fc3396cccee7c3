;; A reference of the host is live at each site: no other instance can have it, so each unwind is undone, at the innermost frame, further
;; up, and where only the entry's own argument is one.
;; RUN: run
;; ENTRY: env.fork*
;; INVOKE: run 3
;; UNDONE: the host's references
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (import "env" "fork_of" (func $fork_of (param externref i32) (result i32)))
  (import "env" "log" (func $log (param i32)))
  (import "env" "make" (func $make (result externref)))
  (import "env" "use" (func $use (param externref)))
  (memory (export "memory") 1)
  (func $inner (param $x i32) (result i32) (local i64)
    (local.set 1 (i64.const 6))
    (i32.add (call $fork (local.get $x)) (i32.wrap_i64 (local.get 1))))
  (func $middle (param $x i32) (result i32)
    (local $r externref) (local $y f64)
    (local.set $r (call $make))
    (local.set $y (f64.const 2.5))
    (local.set $x (call $inner (local.get $x)))
    (call $use (local.get $r))
    (call $make)
    (local.set $x (i32.add (call $inner (local.get $x)) (i32.trunc_f64_s (local.get $y))))
    (call $use)
    (local.get $x))
  (func (export "run") (param $x i32) (result i32)
    (call $log (call $middle (local.get $x)))
    (call $log (call $middle (local.get $x)))
    (i32.add (local.get $x) (call $fork_of (call $make) (local.get $x)))))
