// Reads which indirect calls met functions of other types, from modules that `wasm-fork shim --record` made.
//
//   note(instance)   of an instance that has ended its work: takes what it has noted, if it is of such a module
//   write(path)      what all have noted, for `wasm-fork shim --site @PATH`

const EXPORT = 'wasm_fork_shim_record';
const FIRST = 16;
const CALL_BYTES = 20;
const UNKNOWN = 0xffffffff;

export class ShimRecorder {
  constructor() {
    this.lost = 0;
    this.calls = new Map(); // by offset, slot and found type
  }

  note(instance) {
    const memory = instance?.exports[EXPORT];
    if (!memory) return;
    const view = new DataView(memory.buffer);
    const number = (at) => view.getUint32(at, true);
    this.lost += number(4);
    for (let n = 0; n < number(0); n++) {
      const fields = [0, 4, 8, 12, 16].map((field) => number(FIRST + n * CALL_BYTES + field));
      const [offset, slot, type, found, count] = fields;
      const key = `${offset} ${slot} ${found}`;
      const call = { offset, slot, type, ...(found === UNKNOWN ? {} : { found }), count: 0 };
      if (!this.calls.has(key)) this.calls.set(key, call);
      this.calls.get(key).count += count;
    }
  }

  write(path) {
    const calls = [...this.calls.values()].sort((a, b) => a.offset - b.offset || a.slot - b.slot);
    // Where there are no files, there is nothing to import either.
    process.getBuiltinModule('node:fs').writeFileSync(path, `${JSON.stringify({ version: 1, calls, lost: this.lost }, null, 1)}\n`);
  }
}
