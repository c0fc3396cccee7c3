// The case of scripts/check/limits.
//
//   node many-locals.mjs --write COUNT: prints a module with so many locals that live across a site
//   node many-locals.mjs ORIGINAL INSTRUMENTED: an unwind, and a rewind in the same and in a fresh instance, against the original
import assert from 'node:assert/strict';
import fs from 'node:fs';

const BUFFER = 65536;
const END = 16 * 65536;
const ANSWER = 7;

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

const run = (original, instrumented) => {
  const module = new WebAssembly.Module(fs.readFileSync(original));
  const expected = new WebAssembly.Instance(module, { env: { fork: () => ANSWER } }).exports.run(3);
  const rewritten = new WebAssembly.Module(fs.readFileSync(instrumented));
  let guest;
  const fork = () => {
    if (guest.wpk_fork_state() === 2) {
      guest.wpk_fork_rewind_end();
      return ANSWER;
    }
    new DataView(guest.memory.buffer).setUint32(BUFFER + 4, END, true);
    guest.wpk_fork_unwind_begin(BUFFER);
    return 0;
  };
  const start = () => new WebAssembly.Instance(rewritten, { env: { fork } }).exports;
  const first = (guest = start());
  first.run(3);
  assert.equal(first.wpk_fork_state(), 1, 'it is unwound');
  first.wpk_fork_unwind_end();
  const copy = start();
  new Uint8Array(copy.memory.buffer).set(new Uint8Array(first.memory.buffer));
  for (guest of [first, copy]) {
    guest.wpk_fork_rewind_begin(BUFFER);
    assert.equal(guest.run(0), expected);
  }
};

const [first, second] = process.argv.slice(2);
if (first === '--write') console.log(text(+second));
else run(first, second);
