;; A proposal that the validator knows nothing of is named all the same: here f16x8.add.
;; RUN: reject
;; INPUT-HEX: 00 61 73 6d 01 00 00 00 01 04 01 60 00 00 03 02 01 00 0a 08 01 06 00 fd bd 02 1a 0b
(module)
