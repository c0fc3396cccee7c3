;; One of two entries is imported; the other is a mistake that must show.
;; RUN: reject
;; ENTRY: env.fork
;; ENTRY: env.pause
(module
  (import "env" "fork" (func (result i32)))
  (memory 1))
