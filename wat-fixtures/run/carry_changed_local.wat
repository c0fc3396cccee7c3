;; The operand is a local's former value: the region above it writes the local before the site, so
;; computing the operand again would give the new value.
;; RUN: run
;; INVOKE: run 5
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "memory") 1)
  (func (export "run") (param $x i32) (result i32)
    local.get $x
    (block (result i32)
      (local.set $x (i32.const 99))
      call $fork)
    i32.add
    (i32.add (local.get $x))))
