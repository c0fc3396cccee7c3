// Preloaded into a run of a module that comes with JavaScript (`node --import storm-js.mjs DRIVER…`): the stack is unwound and
// rewound, in the same instance, at each call of an entry that has nothing but the module's frames below it.
//
//   STORM='{"entries": ["MODULE.NAME"…], "unwinds": true|false, "stats": FILE}'
//
// The module must export `malloc`, for a buffer, and be one for JSPI: what JSPI makes promises of is called once more after an
// unwind. Below any other call from JavaScript an entry is called as it is.
import fs from 'node:fs';
import { stackBelow } from '../lib/stack.mjs';

const { entries, unwinds, stats } = JSON.parse(process.env.STORM);
const ROOM = 1 << 20;
const NORMAL = 0;
const UNWINDING = 1;
const CALLER = 'called by the storm';

const counts = { calls: 0, unwinds: 0, rewinds: 0, refused: 0, deepest: 0 };
let wasm; // the exports of the module
let buffer = 0;
let promises = 0; // calls of promising exports that have not ended
let pending = null; // the arguments of the call that unwound

const view = () => new DataView(wasm.memory.buffer);

/** Whether the frames below are the module's, as far as the stack of the one promise reaches. */
const isAlone = (skip) => {
  const outside = stackBelow(skip).find((frame) => !/wasm-function\[/.test(frame.toString()));
  return promises === 1 && (!outside || outside.isAsync() || outside.getFunctionName() === CALLER);
};

const enter = (work, wrapper, self, args) => {
  if (!unwinds) {
    counts.calls++;
    return work.apply(self, args);
  }
  const state = wasm.wpk_fork_state();
  if (state === NORMAL && isAlone(wrapper)) {
    buffer ||= wasm.malloc(ROOM);
    view().setUint32(buffer + 4, buffer + ROOM, true);
    wasm.wpk_fork_unwind_begin(buffer);
    pending = args;
    return 0;
  }
  if (state !== NORMAL) {
    wasm.wpk_fork_rewind_end();
    if (String(args) !== String(pending)) throw new Error(`called again with ${args}, first with ${pending}`);
  }
  counts.calls++;
  return work.apply(self, args);
};

/** After a call returned: whether it unwound, and is to be made again. */
const goesOn = () => {
  if (!unwinds || wasm.wpk_fork_state() !== UNWINDING) return false;
  wasm.wpk_fork_unwind_end();
  counts.unwinds++;
  counts.deepest = Math.max(counts.deepest, view().getUint32(buffer, true) - buffer);
  wasm.wpk_fork_resume_begin(buffer);
  counts.rewinds++;
  return true;
};

const wrapImports = (module, imports) => {
  const wrapped = {};
  for (const { module: from, name } of WebAssembly.Module.imports(module)) {
    const work = imports[from][name];
    (wrapped[from] ??= {})[name] = work;
    if (!entries.includes(`${from}.${name}`)) continue;
    const wrapper = function (...args) { return enter(work, wrapper, this, args); };
    wrapped[from][name] = wrapper;
  }
  return wrapped;
};

const isWatched = (module) => WebAssembly.Module.imports(module).some((item) => entries.includes(`${item.module}.${item.name}`));

const { instantiate, promising } = WebAssembly;
WebAssembly.instantiate = async (source, imports) => {
  const module = source instanceof WebAssembly.Module ? source : await WebAssembly.compile(source);
  if (!isWatched(module)) return instantiate(source, imports);
  const instance = await instantiate(module, wrapImports(module, imports));
  wasm = instance.exports;
  return source instanceof WebAssembly.Module ? instance : { module, instance };
};
WebAssembly.instantiateStreaming = undefined; // what loads modules falls back on the others
WebAssembly.promising = (raw) => {
  const call = promising(raw);
  // On a stack, what a promise begins with stands below the module's frames until it waits for the first time.
  const { [CALLER]: begin } = { [CALLER]: (args) => call(...args) };
  return async (...args) => {
    promises++;
    try {
      let result = await begin(args);
      while (goesOn()) result = await begin(args);
      return result;
    } finally {
      promises--;
    }
  };
};

process.on('exit', () => fs.writeFileSync(stats, JSON.stringify(counts)));
