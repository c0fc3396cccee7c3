;; Locals that are live only on some of the ways on from the site.
;; RUN: run
;; INVOKE: run 0
;; INVOKE: run 1
;; INVOKE: run 2
;; RETURNS: 5
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "memory") 1)
  (func (export "run") (param $k i32) (result i32)
    (local $a i32) (local $b i64) (local $r i32)
    (local.set $a (i32.const 123))
    (local.set $b (i64.const 456))
    (local.set $r (call $fork))
    (block $two
      (block $one
        (block $zero
          (br_table $zero $one $two (local.get $k)))
        (return (i32.add (local.get $a) (local.get $r))))
      (return (i32.wrap_i64 (local.get $b))))
    (local.get $r)))
