// The case of scripts/check/limits.
//
//   node many-locals.mjs --write COUNT: prints a module with so many locals that live across a site
//   node many-locals.mjs ORIGINAL INSTRUMENTED: an unwind, and a rewind in the same and in a fresh instance, against the original
import { compare } from './unwound.mjs';

const text = (count) => {
  const each = (line) => Array.from({ length: count }, (_, i) => line(i + 1)).join('\n');
  return `(module
    (import "env" "fork" (func $fork (result i32)))
    (memory (export "memory") 16)
    (global $sum (mut i32) (i32.const 0))
    (func (export "run") (param i32) (result i32) (local ${'i32 '.repeat(count)})
      ${each((i) => `(local.set ${i} (i32.add (local.get 0) (i32.const ${i})))`)}
      (global.set $sum (call $fork))
      ${each((i) => `(global.set $sum (i32.add (i32.mul (global.get $sum) (i32.const 31)) (local.get ${i})))`)}
      (global.get $sum)))`;
};

const [first, second] = process.argv.slice(2);
if (first === '--write') console.log(text(+second));
else compare(first, second);
