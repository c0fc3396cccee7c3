;; Relocations that a linker left in its output (--emit-relocs) would be wrong, too.
;; RUN: reject
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "memory") 1)
  (func (export "run") (result i32) (call $fork))
  (@custom "reloc.CODE" (after last) "\03\00"))
