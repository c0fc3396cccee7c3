;; Locals of every type, parameters among them, are restored; a parameter was changed before.
;; RUN: run
;; INVOKE: run 1 2 3.5 4.5
(module
  (import "env" "fork" (func $fork))
  (import "env" "log" (func $log (param i32 i64 f32 f64 v128)))
  (memory (export "memory") 1)
  (func (export "run") (param $a i32) (param $b i64) (param $c f32) (param $d f64)
    (local $e v128) (local $f i32) (local $g i64) (local $h f32) (local $i f64)
    (local.set $a (i32.add (local.get $a) (i32.const 10)))
    (local.set $e (f32x4.splat (local.get $c)))
    (local.set $f (i32.const -1))
    (local.set $g (i64.const -2))
    (local.set $h (f32.const -3))
    (local.set $i (f64.const -4))
    call $fork
    (call $log (local.get $a) (local.get $b) (local.get $c) (local.get $d) (local.get $e))
    (call $log (local.get $f) (local.get $g) (local.get $h) (local.get $i) (local.get $e))))
