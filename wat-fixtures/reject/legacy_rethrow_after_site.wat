;; A site in a catch_all handler that rethrows: the exception can't be made again.
;; RUN: reject
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory 1)
  (func $thrower)
  (func (export "run")
    try
      call $thrower
    catch_all
      call $fork
      drop
      rethrow 0
    end))
