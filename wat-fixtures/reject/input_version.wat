;; A version of the binary format that doesn't exist.
;; RUN: reject
;; INPUT-HEX: 00 61 73 6d 02 00 00 00
(module)
