;; Custom sections: `dylink.0` stays first, unknown ones keep their places, DWARF is left out.
;; RUN: rewrite
(module $m
  (@custom "dylink.0" (before first) "\01\04\00\00\00\00")
  (import "env" "fork" (func $fork (result i32)))
  (memory 1)
  (@custom "between" (after memory) "kept")
  (func $f (export "run") (result i32) call $fork)
  (@custom ".debug_line" (after code) "gone")
  (@custom "sourceMappingURL" (after code) "\05x.map")
  (@custom "notes" (after data) "kept too"))
