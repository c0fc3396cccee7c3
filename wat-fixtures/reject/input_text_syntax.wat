;; Text that doesn't parse.
;; RUN: reject
(module
  (func (export "run") (result i32) i32.cost 1))
