;; Functions with sites whose results are not null by their types: an unwind returns something that nobody looks at. Of functions, abstract
;; types, structs that hold structs and functions without null, packed fields, vectors, arrays; several results; and kept by callers.
;; RUN: run
;; INVOKE: run 5
;; INVOKE: run 2
;; SAME-INSTANCE: structs can't be made again
(module
  (type $f (func (param i32) (result i32)))
  (type $in (struct (field i8) (field (mut i16)) (field v128) (field (ref $f)) (field externref)))
  (type $a (array (ref $in)))
  (type $out (sub (struct (field i32) (field (ref $in)) (field f64) (field (ref null $out)) (field (ref $a)))))
  (type $sub (sub $out (struct (field i32) (field (ref $in)) (field f64) (field (ref null $out)) (field (ref $a)) (field i64))))
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (import "env" "log" (func $log (param i32)))
  (memory (export "memory") 1)
  (elem declare func $plain $other)
  (func $plain (type $f) (i32.add (local.get 0) (i32.const 1)))
  (func $other (type $f) (i32.mul (local.get 0) (i32.const 3)))
  (func $in (param $x i32) (result (ref $in))
    (struct.new $in (call $fork (local.get $x)) (i32.const 2) (v128.const i64x2 1 2) (call $func (local.get $x)) (ref.null extern)))
  (func $out (param $x i32) (result (ref $out))
    (struct.new $sub (call $fork (i32.const 1)) (call $in (local.get $x)) (f64.const 2)
      (if (result (ref null $out)) (i32.eqz (local.get $x)) (then (ref.null $out)) (else (call $out (i32.sub (local.get $x) (i32.const 1)))))
      (array.new_fixed $a 2 (call $in (i32.const 3)) (call $in (i32.const 4)))
      (i64.const 7)))
  (func $func (param $x i32) (result (ref $f))
    (if (result (ref $f)) (i32.and (call $fork (i32.const 2)) (i32.const 1)) (then (ref.func $plain)) (else (ref.func $other))))
  (func $abstract (param $x i32) (result (ref func) (ref any) (ref eq) (ref i31) i32 (ref $a))
    (call $func (local.get $x)) (call $in (local.get $x)) (ref.i31 (call $fork (i32.const 8))) (ref.i31 (i32.const 4)) (local.get $x)
    (array.new_fixed $a 0))
  (func $sum (param $o (ref null $out)) (result i32)
    (if (result i32) (ref.is_null (local.get $o))
      (then (call $fork (i32.const 5)))
      (else
        (i32.add (struct.get_u $in 0 (struct.get $out 1 (local.get $o)))
        (i32.add (call_ref $f (i32.const 10) (struct.get $in 3 (array.get $a (struct.get $out 4 (local.get $o)) (i32.const 1))))
        (i32.sub (struct.get $out 0 (local.get $o)) (call $sum (struct.get $out 3 (local.get $o)))))))))
  (func (export "run") (param $x i32) (result i32)
    (local $g (ref $f))
    (call $log (call $sum (call $out (local.get $x))))
    (call $abstract (local.get $x))
    (call $log (array.len)) (call $log) (call $log (i31.get_s)) (call $log (call $fork (i32.const 6))) (drop) (drop)
    (local.set $g (ref.cast (ref $f)))
    (call_ref $f (i32.const 4) (local.get $g))))
