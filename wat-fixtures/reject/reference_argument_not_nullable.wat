;; A function with a site takes a reference that is not null: a rewind has none to call it with again.
;; RUN: reject
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory (export "memory") 1)
  (func $takes (param $r (ref i31)) (result i32)
    (call $fork (i31.get_s (local.get $r))))
  (func (export "run") (param $x i32) (result i32)
    (i32.add (call $takes (ref.i31 (local.get $x))) (local.get $x))))
