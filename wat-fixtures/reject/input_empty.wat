;; No bytes at all would be text that ends at once; one zero byte is the shortest that is binary.
;; RUN: reject
;; INPUT-HEX: 00
(module)
