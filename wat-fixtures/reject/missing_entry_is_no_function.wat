;; The name is imported, but it is a global.
;; RUN: reject
(module
  (import "env" "fork" (global i32))
  (memory 1))
