;; fib with an entry that is never called: nothing but the cost of being in the closure.
(module
  (import "env" "entry" (func $entry (result i32)))
  (memory (export "memory") 1)
  (func $fib (export "fib") (param $n i32) (result i32)
    (if (i32.lt_s (local.get $n) (i32.const 0))
      (then (drop (call $entry))))
    (if (result i32) (i32.lt_s (local.get $n) (i32.const 2))
      (then (local.get $n))
      (else
        (i32.add
          (call $fib (i32.sub (local.get $n) (i32.const 1)))
          (call $fib (i32.sub (local.get $n) (i32.const 2))))))))
