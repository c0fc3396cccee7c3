;; Branch hints: each goes where its branch went, in the function and in its resume function; what is said of a branch that became another is left out.
;; RUN: rewrite
;; OPTIMIZE: speed
(module
  (import "env" "fork" (func $fork (result i32)))
  (memory 1)
  (func $before (export "before") (param i32)
    local.get 0
    (@metadata.code.branch_hint "\00") if
      nop
    end)
  (func $calls (export "calls") (param i32) (result i32)
    block
      local.get 0
      (@metadata.code.branch_hint "\01") br_if 0
      call $fork
      drop
    end
    local.get 0
    (@metadata.code.branch_hint "\00") if
      call $fork
      drop
    end
    local.get 0)
  (func $after (export "after") (param i32)
    block
      local.get 0
      (@metadata.code.branch_hint "\01") br_if 0
    end))
