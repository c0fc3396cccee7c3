// What the cases of scripts/check/limits have in common: a module whose export `run` calls `env.fork` once, and has 16 pages of memory.
import assert from 'node:assert/strict';
import fs from 'node:fs';

const BUFFER = 65536;
const END = 16 * 65536;
const ANSWER = 7;

/** Unwinds at that call, and rewinds in the same and in a fresh instance: the results must be the original's. */
export const compare = (original, instrumented) => {
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
