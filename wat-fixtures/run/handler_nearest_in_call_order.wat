;; Recursion through a try_table: the handler that catches is the innermost of the frames that were
;; rewound, not the last one entered before the unwind.
;; RUN: run
;; RETURNS: 0 0 1
;; INVOKE: run 3
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (import "env" "log" (func $log (param i32 i32)))
  (memory (export "memory") 1)
  (tag $e (param i32))
  (func $f (export "run") (param $n i32) (result i32)
    (local $caught i32)
    (block $done
      (block $h (result i32)
        (try_table (catch $e $h)
          (if (local.get $n)
            (then (drop (call $f (i32.sub (local.get $n) (i32.const 1))))))
          (if (call $fork (local.get $n)) (then (throw $e (i32.add (local.get $n) (i32.const 100))))))
        (br $done))
      (local.set $caught)
      (call $log (local.get $n) (local.get $caught)))
    (i32.add (local.get $caught) (call $fork (i32.const -1)))))
