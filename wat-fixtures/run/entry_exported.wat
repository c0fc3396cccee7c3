;; The entry import is exported itself: the host calls it directly, and there is no frame at all.
;; RUN: run
;; INVOKE: run 7
;; NO-FRAMES: no function of the module is on the stack
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (memory (export "memory") 1)
  (export "run" (func $fork)))
