// Runs modules with legacy exceptions, which Wasmtime does not: the original and the instrumented one side by side.
//   node legacy.mjs ORIGINAL.wasm INSTRUMENTED.wasm [undone] [--same-instance] [--resume-module=RESUMES.wasm]
// For each k an unwind is forced at the k-th call of the entry, and at every call: in the same instance, in a fresh one
// with a copy of the memory, and twice from one buffer. Results, traps, memory and the log of imports must agree. Where the
// module undoes an unwind, be it that the buffer is too small, the call fails, and the original is run with calls that fail alike; a fixture whose first line
// says `UNDONE:` must undo some even where there is room, any other none.
import fs from 'node:fs';
import { isDeepStrictEqual } from 'node:util';

const [original, instrumented] = process.argv.slice(2, 4).map(file => new WebAssembly.Module(fs.readFileSync(file)));
const ARGUMENTS = [0, 1, 2, 3];
const PAGE = 65536, BUFFER = PAGE, POISON = 0x5a;
const NO_ROOM = 3, FAILED = -1;
const value = call => (call * 7 + 3) % 11; // what the entry returns
const undoes = process.argv.includes('undone');
const modes = process.argv.includes('--same-instance') ? ['same'] : ['same', 'fresh'];
const resumes = process.argv.find(argument => argument.startsWith('--resume-module='))?.split('=')[1];
const resumeModule = resumes && new WebAssembly.Module(fs.readFileSync(resumes));
const THING = { kind: 'a thing of the host' };

/** One run: `unwindAt(call)` says how the call is unwound: false, 'same' or 'fresh'; `twin` keeps a second rewind. */
class Run {
  constructor(module, unwindAt = () => false, failing = []) {
    Object.assign(this, { module, unwindAt, failing, log: [], calls: 0, unwinds: 0, failed: [], room: PAGE - 64 });
    this.instantiate();
  }

  instantiate() {
    const env = { fork: x => this.enter(x), log: x => void this.log.push(x), throw: x => this.throw(x), thing: () => THING, is_thing: x => Number(x === THING) };
    this.instance = new WebAssembly.Instance(this.module, { env });
    if (this.module !== instrumented) return;
    this.instance.exports.memory.grow(1);
    if (resumeModule) new WebAssembly.Instance(resumeModule, { wpk_fork: this.instance.exports });
  }

  get bytes() { return new Uint8Array(this.instance.exports.memory.buffer); }

  /** Throws what the module has no tag for. */
  throw(x) {
    if (x % 2) throw new WebAssembly.Exception(new WebAssembly.Tag({ parameters: ['i32'] }), [x]);
    throw new Error('the host throws');
  }

  enter(argument) {
    const x = this.instance.exports;
    const state = x.wpk_fork_state?.();
    if (state === NO_ROOM || this.failing.includes(this.calls)) {
      x.wpk_fork_rewind_end?.();
      this.failed.push(this.calls++);
      this.log.push(['failed', argument]);
      return FAILED;
    }
    if (state === 2) {
      x.wpk_fork_rewind_end();
      if (argument !== this.pending) throw new Error(`called again with ${argument}, first with ${this.pending}`);
    } else {
      this.how = this.unwindAt(this.calls);
      if (this.how) {
        const view = new DataView(x.memory.buffer);
        this.bytes.fill(POISON, BUFFER, BUFFER + PAGE);
        view.setUint32(BUFFER + 4, BUFFER + this.room, true);
        x.wpk_fork_unwind_begin(BUFFER);
        this.pending = argument;
        return 0x0bad;
      }
    }
    this.log.push(['fork', argument]);
    return value(this.calls++);
  }

  /** Copies the stopped program into a fresh instance. */
  renew() {
    const bytes = this.bytes.slice();
    this.instantiate();
    this.bytes.set(bytes);
  }

  copy() {
    const twin = new Run(this.module);
    Object.assign(twin, { log: [...this.log], calls: this.calls, pending: this.pending });
    twin.bytes.set(this.bytes);
    return twin;
  }

  start(argument) {
    try {
      let result = this.instance.exports.run(argument);
      for (; this.instance.exports.wpk_fork_state?.() === 1; result = this.rewind()) {
        this.instance.exports.wpk_fork_unwind_end();
        this.unwinds++;
        this.twin ??= this.copy();
        if (this.how === 'fresh') this.renew();
      }
      return { result, ...this.outcome() };
    } catch (error) {
      return this.thrown(error);
    }
  }

  thrown(error) {
    const known = error instanceof WebAssembly.RuntimeError || error instanceof WebAssembly.Exception;
    if (!known && error.message !== 'the host throws') throw error;
    return { trap: error.message ?? 'exception', ...this.outcome() };
  }

  rewind() {
    this.instance.exports.wpk_fork_rewind_begin(BUFFER);
    return this.instance.exports.run(-559038737);
  }

  /** Goes on from the buffer that it was copied with. */
  resume() {
    try {
      return { result: this.rewind(), ...this.outcome() };
    } catch (error) {
      return this.thrown(error);
    }
  }

  outcome() { return { log: this.log, calls: this.calls, memory: Buffer.from(this.bytes.subarray(0, PAGE)).toString('base64') }; }
}

let unwinds = 0, undone = 0;
function check(what, actual, expected) {
  if (isDeepStrictEqual(actual, expected)) return;
  const brief = o => JSON.stringify({ ...o, memory: undefined });
  throw new Error(`${what}\n  expected ${brief(expected)}\n  found    ${brief(actual)}`);
}

/** Starts `run`, and compares it with the original, in which the same calls fail. */
function compare(what, run, argument, expected) {
  const found = run.start(argument);
  unwinds += run.unwinds;
  check(what, found, run.failed.length ? new Run(original, undefined, run.failed).start(argument) : expected);
}

for (const argument of ARGUMENTS) {
  const expected = new Run(original).start(argument);
  check(`run ${argument} without unwinding`, new Run(instrumented).start(argument), expected);
  for (const how of modes) {
    const attempts = [['every call', () => how]];
    for (let k = 0; k < expected.calls; k++) attempts.push([`call ${k}`, call => call === k && how]);
    for (const [name, unwindAt] of attempts) {
      const run = new Run(instrumented, unwindAt);
      const what = `run ${argument}, unwinding at ${name}, ${how} instance`;
      compare(what, run, argument, expected);
      undone += run.failed.length;
      // The twin stands where the first unwind was; it unwinds no more.
      if (run.twin && !undoes && modes.includes('fresh')) check(`${what}, rewound once more`, run.twin.resume(), expected);
    }
  }
  // Buffers without room for anything, for some frames, and for all.
  for (let room = 8; room <= 200; room += 12) {
    const run = Object.assign(new Run(instrumented, () => modes.at(-1)), { room });
    compare(`run ${argument}, with ${room} bytes`, run, argument, expected);
  }
}
if (!unwinds) throw new Error('nothing was unwound');
if (!undone !== !undoes) throw new Error(`${undone} unwinds were undone`);
console.log(`${unwinds} unwinds` + (undone ? `, ${undone} undone` : ''));
