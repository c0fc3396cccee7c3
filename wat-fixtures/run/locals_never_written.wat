;; A local that no one has written is zero after the rewind as before.
;; RUN: run
;; INVOKE: run 9
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "memory") 1)
  (func (export "run") (param $x i32) (result i32)
    (local $zero i32) (local $zeros i64) (local $v v128)
    call $fork
    (i32.add (local.get $zero))
    (i32.add (i32.wrap_i64 (local.get $zeros)))
    (i32.add (i32x4.extract_lane 0 (local.get $v)))
    (i32.mul (local.get $x))))
