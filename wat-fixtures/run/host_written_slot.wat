;; The host puts a function into an exported table; a site reaches it there.
;; RUN: run
;; HOST-SLOT: table 2 forks
;; INVOKE: run 2
(module
  (type $t (func (param i32) (result i32)))
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory (export "memory") 1)
  (table (export "table") 4 funcref)
  (func (export "forks") (type $t) (i32.add (call $fork (i32.const 6)) (local.get 0)))
  (func (export "run") (param $i i32) (result i32)
    (i32.const 9)
    (call_indirect (type $t) (i32.const 30) (local.get $i))
    i32.add))
