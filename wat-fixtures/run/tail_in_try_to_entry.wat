;; Tail calls of the entry inside a `try_table`, by name, through a table and of a reference: stand-ins of the entry have the frames.
;; RUN: run
;; STAND-INS: of the entry
;; INVOKE: run 0
;; INVOKE: run 2
(module
  (type $t (func (param i32) (result i32)))
  (import "env" "fork" (func $fork (type $t)))
  (import "env" "log" (func $log (param i32)))
  (memory (export "memory") 1)
  (table $t funcref (elem $fork $forks))
  (global $entry (ref $t) (ref.func $fork))
  (tag $e)
  (func $forks (type $t) (i32.add (call $fork (local.get 0)) (i32.const 3)))
  (func $by_name (param $x i32) (result i32)
    (block $caught
      (try_table (catch_all $caught)
        (if (i32.eqz (local.get $x)) (then (throw $e)))
        (i64.const 5)
        (return_call $fork (i32.mul (local.get $x) (i32.const 7)))))
    (call $log (i32.const 1))
    (call $fork (i32.const 1)))
  (func $by_table (param $x i32) (param $slot i32) (result i32)
    (block $caught
      (try_table (catch_all $caught)
        (local.set $x (i32.add (local.get $x) (call $fork (i32.const 8))))
        (return_call_indirect $t (type $t) (local.get $x) (local.get $slot))))
    (i32.const 2))
  (func $by_reference (param $x i32) (result i32)
    (block $caught
      (try_table (catch_all $caught)
        (if (local.get $x) (then (return_call_ref $t (local.get $x) (global.get $entry))))
        (return_call_ref $t (i32.const 9) (ref.func $fork))))
    (i32.const 2))
  (func (export "run") (param $x i32) (result i32)
    (i32.sub
      (i32.mul (call $by_name (local.get $x)) (call $by_table (local.get $x) (i32.const 0)))
      (i32.mul (call $by_reference (local.get $x)) (call $by_table (i32.const 30) (i32.const 1))))))
