;; A relocatable object is for a linker: rewritten it would no longer fit its symbols and relocations.
;; RUN: reject
(module
  (import "env" "__linear_memory" (memory 1))
  (import "env" "fork" (func $fork (result i32)))
  (func (result i32) (call $fork))
  (@custom "linking" (after last) "\02")
  (@custom "reloc.CODE" (after last) "\03\00"))
