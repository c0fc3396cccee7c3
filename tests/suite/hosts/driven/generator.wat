;; A generator over Asyncify's protocol, with what Binaryen's pass can't rewrite: what begins an unwind is called through a table and by a tail
;; call, gives a result, and asks for the state; exceptions are thrown and caught around it.
(module
  (type $yield (func (param i32) (result i32)))
  (import "env" "log" (func $log (param i32)))
  (import "asyncify" "get_state" (func $get_state (result i32)))
  (import "env" "mark" (func $mark (param i32)))
  (import "asyncify" "start_unwind" (func $start_unwind (param i32)))
  (import "asyncify" "stop_rewind" (func $stop_rewind))
  (import "asyncify" "start_rewind" (func $start_rewind (param i32)))
  (import "asyncify" "stop_unwind" (func $stop_unwind))
  (memory (export "memory") 1)
  (table $t 3 3 funcref)
  (elem (table $t) (i32.const 0) func $yield $tail $double)
  (tag $odd (param i32))
  ;; What was yielded last, and what the next call of $yield returns; whether the generator is done.
  (global $yielded (mut i32) (i32.const 0))
  (global $sent (mut i32) (i32.const 0))
  (global $done (mut i32) (i32.const 0))

  (func $yield (type $yield)
    (if (i32.eq (call $get_state) (i32.const 2))
      (then (call $stop_rewind) (return (global.get $sent))))
    (global.set $yielded (local.get 0))
    (call $start_unwind (i32.const 16))
    (i32.const -1))
  (func $tail (type $yield) (return_call $yield (i32.add (local.get 0) (i32.const 1000))))
  (func $double (type $yield) (i32.mul (local.get 0) (i32.const 2)))
  (func $check (param $value i32) (result i32)
    (if (i32.and (local.get $value) (i32.const 1)) (then (throw $odd (local.get $value))))
    (local.get $value))
  ;; Yields by way of slot `how`, and takes odd answers as exceptions.
  (func $ask (param $how i32) (param $value i32) (result i32) (local $caught i32)
    (local.set $caught
      (block $handler (result i32)
        (return
          (try_table (result i32) (catch $odd $handler)
            (i32.add
              (i32.const 7)
              (call $check (call_indirect $t (type $yield) (local.get $value) (local.get $how))))))))
    ;; In the handler's place, with what it caught still to be used behind another pause.
    (i32.add (local.get $caught) (call $yield (i32.sub (i32.const 0) (local.get $caught)))))
  (func $body (local $i i32) (local $sum i32)
    (loop $again
      (local.set $sum
        (i32.add (local.get $sum) (call $ask (i32.rem_u (local.get $i) (i32.const 3)) (local.get $i))))
      (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 8))))
    (call $mark (local.get $sum))
    (global.set $done (i32.const 1)))

  (func $first
    (i32.store (i32.const 16) (i32.const 64))
    (i32.store (i32.const 20) (i32.const 1024))
    (call $body)
    (call $stop_unwind))
  (func $next (param $sent i32)
    (global.set $sent (local.get $sent))
    (call $start_rewind (i32.const 16))
    (call $body)
    (call $stop_unwind))
  (func (export "run") (result i32) (local $turns i32)
    (global.set $done (i32.const 0))
    (call $first)
    (loop $again
      (if (i32.eqz (global.get $done))
        (then
          (call $log (global.get $yielded))
          (call $next (i32.add (local.get $turns) (i32.const 10)))
          (local.set $turns (i32.add (local.get $turns) (i32.const 1)))
          (br $again))))
    (local.get $turns)))
