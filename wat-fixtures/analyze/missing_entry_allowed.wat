;; Without the entry the closure is empty, if that is allowed.
;; RUN: analyze
;; ALLOW-MISSING-ENTRY:
(module
  (memory 1)
  (func $a (export "a")))
