;; catch_all_ref leaves an exnref, which is thrown again after a site.
;; RUN: reject
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory 1)
  (tag $e)
  (func (export "run")
    (local $x exnref)
    (block $h (result exnref)
      (try_table (catch_all_ref $h) (throw $e))
      (unreachable))
    (local.set $x)
    (drop (call $fork))
    (throw_ref (local.get $x))))
