;; A WASI command: the host calls `_start`, which leads to the entry, here a WASI function itself. The
;; library function $malloc is beside the way.
;; RUN: analyze
;; ENTRY: wasi_snapshot_preview1.sock_accept
(module
  (import "wasi_snapshot_preview1" "sock_accept"
    (func $accept (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func $_start (export "_start") (call $exit (call $main)))
  (func $main (result i32)
    (drop (call $malloc))
    (call $accept (i32.const 3) (i32.const 0) (i32.const 8)))
  (func $malloc (result i32) (i32.const 1024)))
