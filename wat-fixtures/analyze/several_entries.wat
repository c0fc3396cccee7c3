;; The closures of several entries are united; a pattern with a star names many.
;; RUN: analyze
;; ENTRY: env.fork
;; ENTRY: sys.pause*
(module
  (import "env" "fork" (func $fork))
  (import "sys" "pause_a" (func $pa))
  (import "sys" "pause_b" (func $pb))
  (import "sys" "go" (func $go))
  (memory 1)
  (func $f (call $fork))
  (func $a (call $pa))
  (func $b (call $pb))
  (func $g (call $go)))
