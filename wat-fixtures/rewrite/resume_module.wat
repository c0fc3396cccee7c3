;; Resume functions go into a module of their own, which imports what they name under the names by which it is exported, or under new ones;
;; the main file calls them by a table. What names a segment stays: `loads`.
;; RUN: rewrite
;; OPTIMIZE: speed
;; RESUME-MODULE:
(module
  (type $unary (func (param i32) (result i32)))
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (import "env" "base" (global $base i32))
  (memory (export "memory") 1)
  (table $callees 2 funcref)
  (global $count (mut i32) (i32.const 0))
  (tag $failed (param i32))
  (elem (table $callees) (i32.const 0) func $plain $calls)
  (data $text "abc")
  (func $plain (param $x i32) (result i32)
    (local.get $x))
  (func $calls (export "calls") (param $x i32) (result i32)
    (if (i32.eqz (call_indirect $callees (type $unary) (local.get $x) (i32.const 0)))
      (then (throw $failed (global.get $base))))
    (global.set $count (i32.add (global.get $count) (call $fork (local.get $x))))
    (i32.store (local.get $x) (global.get $count))
    (drop (ref.func $plain))
    (call $plain (local.get $x)))
  (func $loads (export "loads") (param $x i32) (result f64)
    (drop (call $fork (local.get $x)))
    (memory.init $text (local.get $x) (i32.const 0) (i32.const 3))
    (f64.const 1)))
