;; A component instead of a module.
;; RUN: reject
;; INPUT-HEX: 00 61 73 6d 0d 00 01 00
(module)
