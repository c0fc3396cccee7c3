;; A scheduler that drives Asyncify's protocol itself, as TinyGo's does: tasks pause and are resumed by functions of the module.
;;
;; A task is a struct: +0 its function's slot, +4 its argument, +8 the buffer's header (pos, end), +16 its status (0 new, 1 paused, 2 done),
;; +20 whether it is being rewound, +32 room for frames up to +1024.
(module
  (type $task (func (param i32)))
  (import "env" "log" (func $log (param i32)))
  (import "asyncify" "start_unwind" (func $start_unwind (param i32)))
  (import "asyncify" "stop_unwind" (func $stop_unwind))
  (import "env" "mark" (func $mark (param i32)))
  (import "asyncify" "start_rewind" (func $start_rewind (param i32)))
  (import "asyncify" "stop_rewind" (func $stop_rewind))
  (import "env" "twice" (func $twice (param i32) (result i32)))
  (memory (export "memory") 1)
  (table $tasks 4 funcref)
  (elem (table $tasks) (i32.const 0) func $counter $walker $nester $mark)
  (global $current (mut i32) (i32.const 0))
  (global $sum (mut i64) (i64.const 0))

  ;; The top of a stack: begins an unwind, and ends a rewind.
  (func $unwind (param $task i32)
    (if (i32.load offset=20 (local.get $task))
      (then
        (i32.store offset=20 (local.get $task) (i32.const 0))
        (call $stop_rewind))
      (else
        (i32.store offset=16 (local.get $task) (i32.const 1))
        (call $start_unwind (i32.add (local.get $task) (i32.const 8))))))
  ;; The bottom: an unwind comes out of the task's function here.
  (func $launch (param $task i32)
    (i32.store offset=8 (local.get $task) (i32.add (local.get $task) (i32.const 32)))
    (i32.store offset=12 (local.get $task) (i32.add (local.get $task) (i32.const 1024)))
    (call_indirect (type $task) (i32.load offset=4 (local.get $task)) (i32.load (local.get $task)))
    (call $stop_unwind))
  (func $rewind (param $task i32)
    (i32.store offset=20 (local.get $task) (i32.const 1))
    (call $start_rewind (i32.add (local.get $task) (i32.const 8)))
    (call_indirect (type $task) (i32.const -1) (i32.load (local.get $task)))
    (call $stop_unwind))

  (func $pause (call $unwind (global.get $current)))
  (func $done (i32.store offset=16 (global.get $current) (i32.const 2)))
  (func $resume (param $task i32) (local $before i32)
    (local.set $before (global.get $current))
    (global.set $current (local.get $task))
    (if (i32.load offset=16 (local.get $task))
      (then (call $rewind (local.get $task)))
      (else (call $launch (local.get $task))))
    (global.set $current (local.get $before)))
  (func $new (param $task i32) (param $func i32) (param $argument i32)
    (i32.store (local.get $task) (local.get $func))
    (i32.store offset=4 (local.get $task) (local.get $argument))
    (i32.store offset=16 (local.get $task) (i32.const 0)))

  ;; Counts down, and pauses each time.
  (func $counter (param $n i32) (local $from i32)
    (local.set $from (local.get $n))
    (loop $again
      (call $log (i32.add (i32.mul (local.get $from) (i32.const 100)) (local.get $n)))
      (call $pause)
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (call $mark (local.get $from))
    (call $done))
  ;; Pauses below recursion, with values of all types on the way.
  (func $walk (param $depth i32) (param $wide i64) (param $float f64) (result i64)
    (local $kept i64)
    (if (i32.eqz (local.get $depth))
      (then
        (call $pause)
        (return (i64.add (local.get $wide) (i64.trunc_f64_s (local.get $float))))))
    (local.set $kept (i64.mul (local.get $wide) (i64.const 3)))
    (i64.add
      (i64.extend_i32_u (call $twice (local.get $depth)))
      (i64.add
        (call $walk
          (i32.sub (local.get $depth) (i32.const 1))
          (i64.add (local.get $wide) (i64.const 1))
          (f64.mul (local.get $float) (f64.const 1.5)))
        (local.get $kept))))
  (func $walker (param $depth i32)
    (global.set $sum
      (i64.add (global.get $sum) (call $walk (local.get $depth) (i64.const 0x100000000) (f64.const 8))))
    (call $pause)
    (call $log (i32.wrap_i64 (global.get $sum)))
    (call $done))
  ;; Has a task of its own, which pauses within this one, and pauses itself in between.
  (func $nester (param $n i32) (local $task i32)
    (local.set $task (i32.add (i32.const 0x8000) (i32.shl (local.get $n) (i32.const 10))))
    (call $new (local.get $task) (i32.const 0) (local.get $n))
    (loop $again
      (call $resume (local.get $task))
      (call $mark (i32.add (i32.const 1000) (i32.load offset=16 (local.get $task))))
      (call $pause)
      (br_if $again (i32.ne (i32.load offset=16 (local.get $task)) (i32.const 2))))
    (call $done))

  ;; Runs four tasks by turns until all are done, and tells how many turns that took.
  (func (export "run") (result i32) (local $turns i32) (local $task i32) (local $left i32)
    (call $new (i32.const 0x1000) (i32.const 0) (i32.const 3))
    (call $new (i32.const 0x1400) (i32.const 1) (i32.const 5))
    (call $new (i32.const 0x1800) (i32.const 2) (i32.const 2))
    (call $new (i32.const 0x1c00) (i32.const 0) (i32.const 1))
    (loop $round
      (local.set $left (i32.const 0))
      (local.set $task (i32.const 0x1000))
      (loop $each
        (if (i32.ne (i32.load offset=16 (local.get $task)) (i32.const 2))
          (then
            (call $resume (local.get $task))
            (local.set $turns (i32.add (local.get $turns) (i32.const 1)))
            (local.set $left (i32.const 1))))
        (local.set $task (i32.add (local.get $task) (i32.const 0x400)))
        (br_if $each (i32.lt_u (local.get $task) (i32.const 0x2000))))
      (br_if $round (local.get $left)))
    (local.get $turns)))
