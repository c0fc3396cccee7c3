// Twins of an instance that JavaScript drives: new instances over copies of its memories and tables, in which a stack is rewound up
// to the entry. JavaScript knows nothing of them, so they go no further.
import { trap } from '../host/leave.mjs';
import { original, slot } from '../lib/ways-in.mjs';

const REWINDING = 2;

export const sameArguments = (some, others) => some.length === others.length && some.every((value, at) => Object.is(value, others[at]));

// Memory or table → what JavaScript made it by. From a thing itself one can't learn how large it may become.
const descriptors = new WeakMap();
const remembering = (kind) =>
  new Proxy(kind, {
    construct(target, args) {
      const made = new target(...args);
      descriptors.set(made, args[0]);
      return made;
    },
  });
const { Memory, Table } = WebAssembly;
Object.assign(WebAssembly, { Memory: remembering(Memory), Table: remembering(Table) });

const copyMemory = (from, to) => {
  const missing = from.buffer.byteLength - to.buffer.byteLength;
  if (missing > 0) to.grow(missing >> 16);
  new Uint8Array(to.buffer).set(new Uint8Array(from.buffer));
};

export class Twins {
  /** `instance` as it is, without wrappers; `entries` as MODULE.NAME. */
  constructor(module, instance, imports, entries) {
    Object.assign(this, { module, instance, imports, entries });
    this.names = new Map(Object.entries(instance.exports).map(([name, value]) => [value, name]));
  }

  /** Rewinds the stack in `buffer` in a twin, where `begin` calls the function that is `func` here. */
  rewind(func, begin, { buffer, pending }) {
    let twin = null;
    let arrived = false;
    const enter = (args) => {
      if (twin.exports.wpk_fork_state() !== REWINDING) throw new Error('a twin called an entry anew');
      if (!sameArguments(args, pending)) throw new Error(`a twin called with ${args}, not ${pending}`);
      arrived = true;
      trap();
    };
    const copies = new Map(); // what is to be copied → the twin's
    twin = new WebAssembly.Instance(this.module, this.#imports(enter, copies));
    for (const [name, value] of Object.entries(this.instance.exports)) copies.set(value, twin.exports[name]);
    // Segments were applied to what the twin has.
    for (const [from, to] of copies) {
      if (from instanceof Memory) copyMemory(from, to);
      if (from instanceof Table) this.#copyTable(from, to, twin);
    }
    const called = this.#counterpart(func, twin, copies);
    twin.exports.wpk_fork_rewind_begin(buffer);
    try {
      begin(called);
    } catch (error) {
      if (!arrived) throw error;
    }
    if (!arrived) throw new Error('a twin did not come back to the entry');
  }

  #imports(enter, copies) {
    const imports = {};
    for (const { module: from, name } of WebAssembly.Module.imports(this.module)) {
      const value = original(this.imports[from][name]);
      const isEntry = this.entries.includes(`${from}.${name}`);
      const isCopied = value instanceof Memory || value instanceof Table;
      const copy = isCopied && new value.constructor(descriptors.get(value));
      if (copy) copies.set(value, copy);
      (imports[from] ??= {})[name] = isEntry ? (...args) => enter(args) : copy || value;
    }
    return imports;
  }

  /** What JavaScript put there goes with it; the module's functions are the twin's. */
  #copyTable(from, to, twin) {
    if (to.length < from.length) to.grow(from.length - to.length);
    for (let index = 0; index < from.length; index++) {
      const func = slot(from, index);
      const name = this.names.get(func);
      if (name !== undefined) to.set(index, twin.exports[name]);
      else if (func && !slot(to, index)) to.set(index, func);
    }
  }

  #counterpart(func, twin, copies) {
    const name = this.names.get(func);
    if (name !== undefined) return twin.exports[name];
    for (const [from, to] of copies) {
      if (!(from instanceof Table)) continue;
      for (let index = 0; index < from.length; index++) if (slot(from, index) === func) return slot(to, index);
    }
    throw new Error('a function that is in no table of the module');
  }
}
