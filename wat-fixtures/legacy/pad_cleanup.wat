;; A C++ cleanup pad: `catch_all`, a destructor that forks, `rethrow`. What it caught is thrown on after a rewind, with its values.
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (import "env" "log" (func $log (param i32)))
  (memory (export "memory") 1)
  (tag $t (param i32))
  (func $destructor (param i32)
    (call $log (i32.add (call $fork (i32.const 1)) (local.get 0))))
  (func $body (param i32)
    (local.get 0)
    if
      (throw $t (i32.add (local.get 0) (i32.const 5)))
    end
    (call $log (call $fork (i32.const 2))))
  (func $scope (param i32)
    try
      (call $body (local.get 0))
    catch_all
      (call $destructor (i32.const 100))
      (call $destructor (i32.const 101))
      rethrow 0
    end
    (call $destructor (i32.const 200)))
  (func (export "run") (param $x i32) (result i32)
    try (result i32)
      (call $scope (i32.const 0))
      (call $scope (local.get $x))
      (i32.const 0)
    catch $t
      (i32.add (i32.const 1))
    end))
