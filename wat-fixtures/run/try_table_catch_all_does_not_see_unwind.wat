;; catch_all around a site: the unwind passes it by, a later exception doesn't.
;; RUN: run
;; RETURNS: 0 1
;; INVOKE: run
;; INVOKE: run
(module
  (import "env" "fork" (func $fork (result i32)))
  (import "env" "log" (func $log (param i32)))
  (memory (export "memory") 1)
  (tag $e)
  (func (export "run") (result i32)
    (block $h
      (try_table (catch_all $h)
        (try_table (catch_all $h)
          (call $log (i32.const 1))
          (if (call $fork) (then (throw $e)))
          (call $log (i32.const 2))))
      (return (i32.const 10)))
    (call $log (i32.const 3))
    (i32.add (call $fork) (i32.const 20))))
