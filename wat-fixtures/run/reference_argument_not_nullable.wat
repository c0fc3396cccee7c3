;; Functions with sites take references that are not null, which nothing can stand in for on a rewind, so they are kept: of an `i31`, which any
;; instance can make again, as an argument, on the operand stack, in locals, in place of any supertype.
;; RUN: run
;; INVOKE: run 5
;; INVOKE: run -1000000000
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (import "env" "log" (func $log (param i32)))
  (memory (export "memory") 1)
  (func $takes (param $r (ref i31)) (result i32)
    (call $fork (i31.get_s (local.get $r))))
  (func $keeps (param $r (ref eq)) (param $n anyref) (result i32)
    (local $s eqref)
    (call $log (call $takes (ref.cast (ref i31) (local.get $r))))
    (local.set $s (local.get $r))
    (call $log (call $fork (i32.const 1)))
    (call $log (ref.is_null (local.get $n)))
    (call $log (call $fork (ref.eq (local.get $r) (local.get $s))))
    (i31.get_s (ref.cast (ref i31) (local.get $s))))
  (func (export "run") (param $x i32) (result i32)
    (call $log (call $keeps (ref.i31 (i32.const -7)) (ref.null none)))
    (call $log (call $keeps (ref.i31 (i32.const 0)) (ref.i31 (i32.const 1))))
    (ref.i31 (i32.const 1073741823))
    (ref.i31 (local.get $x))
    (call $log (call $takes (ref.i31 (local.get $x))))
    (call $log (i31.get_s))
    (call $log (call $fork (i32.const 2)))
    (call $log (i31.get_s))
    (i32.add (call $takes (ref.i31 (local.get $x))) (local.get $x))))
