;; Operands below a block are taken by an `if` as parameters after the block; inside the block,
;; other operands and a local that is written twice lie below two sites.
;; RUN: run
;; INVOKE: run 0
;; INVOKE: run 1
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory (export "memory") 1)
  (func $two (param i64 i32 i64) (result f32)
    (f32.convert_i32_s (i32.add (call $fork (local.get 1)) (i32.wrap_i64 (local.get 0)))))
  (func $three (param f32 v128 i32) (result i32)
    (i32.add (i32.trunc_f32_s (local.get 0)) (local.get 2)))
  (func (export "run") (param $x i32) (result i32)
    (local $v v128)
    i32.const 1
    v128.const i32x4 1 7 8 9
    block (result i32)
      i32.const 17
      local.get $x
      local.tee $x
      i64.const 1
      i32.const 15
      local.tee $x
      call $fork
      i64.const 1
      call $two
      v128.const i32x4 0 7 8 9
      i32.const 12
      call $three
      i32.sub
      i32.mul
    end
    if (param i32 v128)
      local.set $v
      local.set $x
    else
      local.set $v
      local.set $x
    end
    (i32.add (local.get $x) (i32x4.extract_lane 0 (local.get $v)))))
