;; A `producers` section that is added goes before `target_features`, where the tool conventions want it: LLVM's
;; readers refuse the module otherwise. (Functions have no names here, for `wat` puts those behind all else.)
;; RUN: rewrite
(module
  (import "env" "fork" (func (result i32)))
  (memory 1)
  (func (export "run") (result i32) (call 0))
  (@custom "other" (after last) "stays first")
  (@custom "target_features" (after last) "\01+\08sign-ext"))
