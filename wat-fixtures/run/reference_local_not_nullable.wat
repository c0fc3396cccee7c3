;; Locals of non-nullable types, all of them dead at the sites: set before a site and again behind it, set in constructs around sites,
;; set in both arms, teed, read in a block deeper than the one where it is set, and parameters.
;; RUN: run
;; INVOKE: run 5
(module
  (type $t (func (param i32) (result i32)))
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (import "env" "log" (func $log (param i32)))
  (memory (export "memory") 1)
  (elem declare func $plain $other)
  (func $plain (type $t) (i32.add (local.get 0) (i32.const 1)))
  (func $other (type $t) (i32.mul (local.get 0) (i32.const 3)))
  (func $between (param $x i32) (result i32)
    (local $r (ref $t))
    (local.set $x (call $fork (local.get $x)))
    (local.set $r (ref.func $plain))
    (local.set $x (call_ref $t (local.get $x) (local.get $r)))
    (i32.add (call $fork (local.get $x)) (local.get $x)))
  (func $set_before (param $x i32) (result i32)
    (local $r (ref $t)) (local $y i32) (local $s (ref $t))
    ;; What makes the reads below valid is set here, and what they read is set later.
    (local.set $r (ref.func $plain))
    (local.set $s (local.get $r))
    (local.set $y (call_ref $t (local.get $x) (local.get $s)))
    (block $out
      (block $in
        (br_if $in (i32.gt_u (call $fork (local.get $x)) (i32.const 1000)))
        (if (i32.and (local.get $y) (i32.const 2))
          (then (local.set $r (ref.func $other)) (call $log (call $fork (i32.const 1))) (local.set $r (ref.func $other)))
          (else (call $log (call $fork (i32.const 2))) (local.set $r (ref.func $plain))))
        (local.set $x (call_ref $t (local.get $x) (local.get $r)))
        (br $out))
      (local.set $x (i32.const 9)))
    (loop $again
      (local.set $s (ref.func $other))
      (block
        (local.set $y (i32.sub (local.get $y)
          (call_ref $t (call_ref $t (local.get $x) (local.tee $r (local.get $s))) (local.get $r)))))
      (local.set $x (call $fork (local.get $y)))
      (br_if $again (i32.gt_s (local.get $y) (i32.const -1000))))
    (local.get $x))
  (func $parameter (param $x i32) (param $p (ref $t)) (result i32)
    (local $r (ref $t))
    (local.set $r (local.get $p))
    (local.set $x (call_ref $t (local.get $x) (local.tee $p (local.get $r))))
    (i32.add (call $fork (local.get $x)) (local.get $x)))
  (func (export "run") (param $x i32) (result i32)
    (call $log (call $between (local.get $x)))
    (call $log (call $set_before (local.get $x)))
    (call $parameter (local.get $x) (ref.func $other))))
