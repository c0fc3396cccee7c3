;; SAME-INSTANCE: a pad caught what carries a reference of the host's, which is kept in the instance. Other tags are told apart from it.
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (import "env" "log" (func $log (param i32)))
  (import "env" "thing" (func $thing (result externref)))
  (import "env" "is_thing" (func $is_thing (param externref) (result i32)))
  (memory (export "memory") 1)
  (tag $r (param externref i32 externref))
  (tag $e (param i32))
  (func $destructor (param i32)
    (call $log (i32.add (call $fork (i32.const 1)) (local.get 0))))
  (func $scope (param $x i32) (param $held externref)
    try
      local.get $x
      if
        (throw $r (call $thing) (local.get $x) (local.get $held))
      end
      (throw $e (i32.const 30))
    catch_all
      (call $destructor (i32.const 100))
      (call $log (call $is_thing (local.get $held)))
      (call $destructor (i32.const 101))
      rethrow 0
    end)
  (func $between (param $x i32)
    try
      (call $scope (local.get $x) (ref.null extern))
    catch_all
      (call $destructor (i32.const 200))
      rethrow 0
    end)
  (func (export "run") (param $x i32) (result i32)
    try (result i32)
      (call $between (local.get $x))
      (i32.const 0)
    catch $r
      (call $is_thing)
      (i32.add)
      (i32.mul (i32.const 2))
      (i32.add (call $fork (i32.const 7)))
      (call $log)
      (call $is_thing)
      (i32.add (i32.const 1000))
    catch $e
      (i32.add (call $fork (i32.const 8)))
    end))
