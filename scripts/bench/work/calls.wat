;; Indirect calls in hot loops, of functions that do next to nothing: what a call costs, and little else. Each loop sums
;; up what its calls return and has a call of its own, so that an engine learns of each apart what it meets. The host sees the
;; table if it is exported, which is what `bench` adds for one of its rows.
(module
  (type $op (func (param i32 i32) (result i32)))
  (table $slots 16 16 funcref)
  ;; Slots 0 to 7 hold functions of the calls' type, 8 to 15 of others.
  (elem (i32.const 0) func $a0 $a1 $a2 $a3 $a4 $a5 $a6 $a7 $b0 $b1 $b2 $b3 $b4 $b5 $b6 $b7)
  (func $a0 (type $op) (i32.add (local.get 0) (local.get 1)))
  (func $a1 (type $op) (i32.sub (local.get 0) (local.get 1)))
  (func $a2 (type $op) (i32.xor (local.get 0) (local.get 1)))
  (func $a3 (type $op) (i32.or (local.get 0) (local.get 1)))
  (func $a4 (type $op) (i32.and (local.get 0) (local.get 1)))
  (func $a5 (type $op) (i32.add (local.get 1) (i32.const 5)))
  (func $a6 (type $op) (i32.xor (local.get 0) (i32.const 6)))
  (func $a7 (type $op) (i32.sub (local.get 0) (i32.const 7)))
  (func $b0 (param i32) (result i32) (i32.add (local.get 0) (i32.const 10)))
  (func $b1 (param i32) (result i32) (i32.xor (local.get 0) (i32.const 11)))
  (func $b2 (param i32) (result i32) (i32.sub (local.get 0) (i32.const 12)))
  (func $b3 (param i32) (result i32) (i32.or (local.get 0) (i32.const 13)))
  (func $b4 (param i32 i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func $b5 (param i32 i32 i32) (result i32) (i32.xor (local.get 0) (local.get 1)))
  (func $b6 (param i32 i32 i32) (result i32) (i32.sub (local.get 0) (local.get 1)))
  (func $b7 (param i32 i32 i32) (result i32) (i32.or (local.get 0) (local.get 1)))

  ;; n calls of one function, which is not known to be one
  (func (export "one") (param $n i32) (param $slot i32) (result i32) (local $sum i32)
    (loop $again
      (local.set $sum (call_indirect (type $op) (local.get $sum) (local.get $n) (local.get $slot)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))
  ;; n calls of eight functions in turn, all of the calls' type
  (func (export "eight") (param $n i32) (param $slot i32) (result i32) (local $sum i32)
    (loop $again
      (local.set $sum (call_indirect (type $op)
        (local.get $sum) (local.get $n)
        (i32.add (local.get $slot) (i32.and (local.get $n) (i32.const 7)))))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))
  ;; the same, to be called with the first slot of the others
  (func (export "others") (param $n i32) (param $slot i32) (result i32) (local $sum i32)
    (loop $again
      (local.set $sum (call_indirect (type $op)
        (local.get $sum) (local.get $n)
        (i32.add (local.get $slot) (i32.and (local.get $n) (i32.const 7)))))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum)))
