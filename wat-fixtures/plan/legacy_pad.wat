;; A pad: it keeps what it caught over its site, as a kind and the values of all tags. Apart, the function's own body has the
;; pad's dispatch too.
;; RUN: plan
;; OPTIMIZE: speed
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory 1)
  (tag $e (param i32))
  (tag $f (param i64 i32))
  (func $thrower)
  (func (export "run")
    try
      call $thrower
    catch_all
      call $fork
      drop
      rethrow 0
    end))
