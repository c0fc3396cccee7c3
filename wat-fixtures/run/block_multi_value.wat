;; A block with three results, left at its end or by a branch that carries them.
;; RUN: run
;; INVOKE: run 0
;; INVOKE: run 1
(module
  (import "env" "fork" (func $fork (result i32)))
  (import "env" "log" (func $log (param i32 i64 f32)))
  (memory (export "memory") 1)
  (func (export "run") (param $x i32)
    (block $b (result i32 i64 f32)
      (call $fork) (i64.const 2) (f32.const 3)
      (br_if $b (local.get $x))
      drop drop drop
      (i32.const 4) (i64.extend_i32_s (call $fork)) (f32.convert_i32_s (call $fork)))
    call $log))
