;; Branches out of the blocks around a site, with values below them that are dropped.
;; RUN: run
;; INVOKE: run 0
;; INVOKE: run 1
;; INVOKE: run 2
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "memory") 1)
  (func (export "run") (param $x i32) (result i32)
    (i32.const 1000)
    (block $out (result i32)
      (i32.const 500)
      (block $in (result i32)
        (i64.const 7) (f32.const 8)
        (call $fork)
        (br_if $in (i32.eqz (local.get $x)))
        (br_if $out (i32.eq (local.get $x) (i32.const 1)))
        (return))
      i32.add)
    i32.add))
