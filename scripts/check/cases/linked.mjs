// Loads main.wasm, first.wasm and second.wasm of a folder as a dynamic linker does, and the instrumented NAME.out.wasm; runs both,
// the latter with an unwind at each call of the entry.
//   node linked.mjs DIR
import fs from 'node:fs';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';

const [dir] = process.argv.slice(2);
const NAMES = ['main', 'first', 'second'];
const ROUNDS = 3, PAGE = 65536, PAGES = 8, BUFFER = 6 * PAGE, STACK = 5 * PAGE;
const UNWINDING = 1, NO_ROOM = 3, FAILED = -1;
const load = (suffix) => NAMES.map((name) => new WebAssembly.Module(fs.readFileSync(path.join(dir, `${name}${suffix}.wasm`))));
const originals = load('');
const instrumented = load('.out');

/** A JavaScript function of type (i32) -> i32 as one that fits into a table. */
const TRAMPOLINE = new WebAssembly.Module(Uint8Array.of(
  0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 6, 1, 0x60, 1, 0x7f, 1, 0x7f, 2, 7, 1, 1, 0x65, 1, 0x66, 0, 0, 7, 5, 1, 1, 0x66, 0, 0,
));
const asWasm = (f) => new WebAssembly.Instance(TRAMPOLINE, { e: { f } }).exports.f;

/** One process: the three modules over one memory, and what the host keeps. */
class Process {
  constructor(modules, kept = {}) {
    Object.assign(this, { modules, log: [], calls: 0, unwindAt: () => false, fails: [], failed: [], unwinds: 0, room: PAGE }, kept);
    this.memory = new WebAssembly.Memory({ initial: PAGES });
    this.table = new WebAssembly.Table({ initial: 32, element: 'anyfunc' });
    const global = (value, mutable = false) => new WebAssembly.Global({ value: 'i32', mutable }, value);
    this.symbols = {
      memory: this.memory,
      __indirect_function_table: this.table,
      __stack_pointer: global(STACK, true),
      host_fork: (x) => this.enter('fork', x),
      host_log: (x) => void this.log.push(['log', x]),
    };
    this.got = {}; // addresses of data and functions of other modules: filled when all are there
    this.instances = modules.map((module, k) => this.instantiate(module, global((k + 1) * PAGE), global(1 + k * 8)));
    for (const [key, cell] of Object.entries(this.got)) cell.value = this.address(key);
    for (const instance of this.instances) {
      instance.exports.__wasm_apply_data_relocs?.();
      instance.exports.__wasm_call_ctors?.();
    }
    this.table.set(30, asWasm((x) => this.enter('host', x)));
    // A copy finds in its memory what was registered.
    if (!kept.isCopy) {
      this.instances[2].exports.start();
      new DataView(this.memory.buffer).setUint32(this.address('plugs') + 4, 30, true);
    }
  }

  instantiate(module, memoryBase, tableBase) {
    const env = { __memory_base: memoryBase, __table_base: tableBase };
    const imports = { env, 'GOT.mem': {}, 'GOT.func': {} };
    for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
      if (from !== 'env') imports[from][name] = this.got[name] ??= new WebAssembly.Global({ value: 'i32', mutable: true }, 0);
      else if (!(name in env)) env[name] = kind === 'function' ? (...args) => this.symbols[name](...args) : this.symbols[name];
    }
    const instance = new WebAssembly.Instance(module, imports);
    for (const [name, value] of Object.entries(instance.exports)) {
      // A global export is an address, relative to where the module's data is; the shared ones are themselves.
      const isData = value instanceof WebAssembly.Global && !name.startsWith('wpk_fork_');
      this.symbols[name] ??= isData ? value.value + memoryBase.value : value;
    }
    return instance;
  }

  address(name) {
    const symbol = this.symbols[name];
    if (typeof symbol === 'number') return symbol;
    for (let slot = 0; slot < 30; slot++) if (this.table.get(slot) === symbol) return slot;
    const free = [...Array(30).keys()].find((slot) => slot > 24 && !this.table.get(slot));
    this.table.set(free, symbol);
    return free;
  }

  get main() { return this.instances[0].exports; }

  /** Calls a function of the protocol in the main module, then what goes with it in the side modules. */
  begin(name, join) {
    this.main[name](BUFFER);
    for (const side of this.instances.slice(1)) side.exports[join]();
  }

  enter(what, argument) {
    const state = this.main.wpk_fork_state?.() ?? 0;
    if (!state && this.unwindAt(this.calls)) {
      new DataView(this.memory.buffer).setUint32(BUFFER + 4, BUFFER + this.room, true);
      this.begin('wpk_fork_unwind_begin', 'wpk_fork_unwind_join');
      return 0x0bad;
    }
    if (state) this.main.wpk_fork_rewind_end();
    const call = this.calls++;
    if (state === NO_ROOM || this.fails.includes(call)) {
      this.failed.push(call);
      this.log.push(['failed', argument]);
      return FAILED;
    }
    this.log.push([what, argument]);
    return (call * 7) % 11 + 2;
  }

  copy() {
    const kept = { log: [...this.log], calls: this.calls, unwindAt: this.unwindAt, failed: this.failed, unwinds: this.unwinds, room: this.room };
    const copy = new Process(this.modules, { ...kept, isCopy: true });
    new Uint8Array(copy.memory.buffer).set(new Uint8Array(this.memory.buffer));
    copy.symbols.__stack_pointer.value = this.symbols.__stack_pointer.value;
    return copy;
  }
}

/** What a process gives; `how`: how it goes on after an unwind. */
const run = (process, how) => {
  for (;;) {
    const result = process.main.run(ROUNDS);
    if (process.main.wpk_fork_state?.() !== UNWINDING) {
      const { log, calls, failed, unwinds } = process;
      return { result, log, calls, failed, unwinds };
    }
    process.main.wpk_fork_unwind_end();
    process.unwinds++;
    if (how === 'fresh') process = process.copy();
    if (how === 'resume') process.begin('wpk_fork_resume_begin', 'wpk_fork_resume_join');
    else process.begin('wpk_fork_rewind_begin', 'wpk_fork_rewind_join');
  }
};

let unwinds = 0, failures = 0;
const check = (what, found, fails = []) => {
  const { unwinds: count, ...rest } = found;
  unwinds += count;
  const { unwinds: _, ...expected } = run(new Process(originals, { fails }));
  if (isDeepStrictEqual(rest, expected)) return;
  throw new Error(`${what}\n  expected ${JSON.stringify(expected)}\n  found    ${JSON.stringify(rest)}`);
};

const { calls } = run(new Process(originals));
check('without unwinding', run(new Process(instrumented)));
for (const how of ['resume', 'rewind', 'fresh']) {
  for (let k = 0; k < calls; k++) check(`${how}, call ${k}`, run(new Process(instrumented, { unwindAt: (call) => call === k }), how));
  check(`${how}, every call`, run(new Process(instrumented, { unwindAt: () => true }), how));
}
for (let room = 8; room < 500; room += 12) {
  const found = run(new Process(instrumented, { unwindAt: () => true, room }), 'fresh');
  failures += found.failed.length;
  check(`with ${room} bytes`, found, found.failed);
}
if (!unwinds || !failures) throw new Error(`${unwinds} unwinds, ${failures} failed for want of room`);
console.log(`${unwinds} unwinds of up to ${calls} calls; ${failures} failed for want of room`);
