;; An import that calls back, as Emscripten's invoke_* do, may call the export $forks: so the import
;; is in the closure, and so is $calls_back, which calls it. What calls another import is not.
;; RUN: analyze
(module
  (import "env" "fork" (func $fork))
  (import "env" "invoke_v" (func $invoke (param i32)))
  (import "env" "other" (func $other))
  (memory 1)
  (func $forks (export "forks") (call $fork))
  (func $calls_back (export "calls_back") (call $invoke (i32.const 0)))
  (func $calls_other (export "calls_other") (call $other)))
