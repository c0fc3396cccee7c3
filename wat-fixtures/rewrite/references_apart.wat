;; References in a function apart: an exit leaves the cells unwritten of those that are dead at its site, and they are not loaded. What is not
;; null by its type is cast where it is read.
;; RUN: rewrite
;; OPTIMIZE: speed
(module
  (type $t (func (result i32)))
  (import "env" "fork" (func $fork (result i32)))
  (import "env" "use" (func $use (param externref)))
  (memory 1)
  (elem declare func $f)
  (func $f (type $t) (i32.const 1))
  (func (export "run") (param $r externref) (result i32)
    (local $f (ref $t))
    (local.set $f (ref.func $f))
    (drop (call $fork))
    (call $use (local.get $r))
    (drop (call $fork))
    (call_ref $t (local.get $f))))
