;; Floats are carried bit by bit: a signalling NaN keeps its payload, on the operand stack and in
;; locals.
;; RUN: run
;; INVOKE: run
(module
  (import "env" "fork" (func $fork))
  (import "env" "log" (func $log (param i32 i64 i32 i64)))
  (memory (export "memory") 1)
  (func (export "run")
    (local $a f32) (local $b f64) (local $c i64)
    (local.set $a (f32.reinterpret_i32 (i32.const 0x7fa12345)))
    (local.set $b (f64.reinterpret_i64 (i64.const 0xfff4_5678_9abc_def0)))
    (f32.reinterpret_i32 (i32.const 0xffa00001))
    (f64.reinterpret_i64 (i64.const 0x7ff0_0000_0000_0001))
    call $fork
    i64.reinterpret_f64
    (local.set $c)
    i32.reinterpret_f32
    (local.get $c)
    (i32.reinterpret_f32 (local.get $a))
    (i64.reinterpret_f64 (local.get $b))
    call $log))
