;; UNDONE: a pad caught what the module has no tag for: no fresh instance could throw that. The unwind is undone, the entry fails,
;; and the program goes on: the host gets its own exception back. A known one that a pad further in caught is kept all the same.
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (import "env" "log" (func $log (param i32)))
  (import "env" "throw" (func $throw (param i32)))
  (memory (export "memory") 1)
  (tag $e (param i32))
  (func $destructor (param i32) (local i32)
    (local.set 1 (call $fork (local.get 0)))
    (call $log (i32.add (local.get 1) (local.get 0))))
  (func $inside (param $x i32)
    try
      try
        (throw $e (local.get $x))
      catch_all
        (call $destructor (i32.const 300))
        rethrow 0
      end
    catch $e
      (call $log)
    end)
  (func $scope (param $x i32) (local $i i32)
    try
      (i32.lt_u (local.get $x) (i32.const 3))
      if
        (call $throw (local.get $x))
      end
      (throw $e (local.get $x))
    catch_all
      (call $destructor (i32.const 100))
      loop $again
        (call $log (call $fork (local.get $i)))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $i) (i32.const 3)))
      end
      (call $inside (i32.const 8))
      (call $destructor (i32.const 101))
      rethrow 0
    end)
  (func $between (param $x i32)
    try
      (call $scope (local.get $x))
    catch_all
      (call $destructor (i32.const 200))
      rethrow 0
    end)
  (func (export "run") (param $x i32) (result i32)
    try (result i32)
      (call $log (call $fork (i32.const 1)))
      (call $between (local.get $x))
      (i32.const 0)
    catch $e
      (i32.add (call $fork (i32.const 2)))
    end))
