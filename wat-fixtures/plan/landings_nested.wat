;; How landings nest in blocks, loops and ifs.
;; RUN: plan
(module
  (import "env" "fork" (func $fork (param i32)))
  (memory 1)
  (func $f (export "run") (param $x i32)
    (call $fork (i32.const 1))
    (block
      (loop $l
        (if (local.get $x)
          (then (call $fork (i32.const 2)))
          (else (block (call $fork (i32.const 3)) (call $fork (i32.const 4)))))
        (br_if $l (local.get $x)))
      (call $fork (i32.const 5)))))
