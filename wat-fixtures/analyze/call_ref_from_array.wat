;; A reference that comes out of an array made from an element segment.
;; RUN: analyze
(module
  (type $t (func))
  (type $funcs (array (ref $t)))
  (import "env" "fork" (func $fork))
  (memory 1)
  (elem $e (ref $t) (ref.func $forks))
  (func $forks (type $t) (call $fork))
  (func $calls (export "calls")
    (call_ref $t (array.get $funcs
      (array.new_elem $funcs $e (i32.const 0) (i32.const 1)) (i32.const 0)))))
