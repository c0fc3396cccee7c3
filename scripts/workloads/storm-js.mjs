// Preloaded into a run of a module that comes with JavaScript (`node --import storm-js.mjs DRIVER…`): at each call of an entry the
// stack is unwound and rewound in the same instance, as far as it is the module's: up to the innermost call from JavaScript.
//
//   STORM='{"entries": ["MODULE.NAME"…], "through": true|false, "mode": …, "stats": FILE}'
//
//   mode  off   the entries are called as they are
//         same  the stack is unwound, and rewound
//         twin  the same, but before that, for some unwinds, a new instance over a copy of the memory is rewound from the same
//               frames up to the entry, and thrown away there
//
// JavaScript has three ways in: exports, functions out of a table, and what JSPI makes promises of. Each call by them is made once
// more after an unwind. Frames of other modules may stand between the module's, if it is instrumented for that (`through`). The buffer is got by `malloc`, which the module
// must export, if it has no memory of its own. Counted besides: the unwinds with more of the
// module on the stack, below the JavaScript (`between`), and the calls of an entry with something else right below them (`left`):
// those are called as they are. A call below a function that is not prepared is undone, and does its work then.
import fs from 'node:fs';
import { isMainThread } from 'node:worker_threads';
import { stackBelow } from '../lib/stack.mjs';
import { spoken } from '../lib/spoken.mjs';
import { CALLER, original, wrapInstance, wrapTables } from '../lib/ways-in.mjs';
import { sameArguments, Twins } from './twins.mjs';

const { entries, through, mode, stats } = JSON.parse(process.env.STORM);
const ROOM = 1 << 20;
const unwinds = mode !== 'off';
// On a stack, what a promise begins with stands below the module's frames until it waits for the first time.
const PROMISER = 'promised by JavaScript';
const NORMAL = 0;
const UNWINDING = 1;
const UNDOING = 3;

const counts = { calls: 0, unwinds: 0, rewinds: 0, twins: 0, refused: 0, unprepared: 0, deepest: 0, between: 0, left: 0 };
let wasm; // the exports of the module
let memory; // where frames go
let buffer = null;
let promises = 0; // calls of promising exports that have not ended
let unwinding = null; // 'call' or 'promise', until it is rewound: what is to be made again
let pending = null; // the arguments of the entry then
let twins = null; // what makes them, if any are wanted

/** In a memory of its own a buffer takes all there is. Else an entry that `malloc` calls in its turn would not do. */
const allocate = () => {
  if (!wasm.wpk_fork_memory) return Number(wasm.malloc(ROOM));
  memory.grow(ROOM >> 16);
  return 0;
};

const view = () => new DataView(memory.buffer);

/** The module that a frame is of; nothing for JavaScript's. */
const moduleOf = (frame) => /(wasm:\/\/.*):wasm-function\[/.exec(frame.toString())?.[1];

/** Which kind of call it is that made the module's frames, of which `frame` is the one below, if one is; nothing for others. */
const owner = (frame) => {
  if (frame?.getFunctionName() === CALLER) return 'call';
  // Where one waited, there is nothing below the module's frames.
  const isPromise = !frame || frame.isAsync() || frame.getFunctionName() === PROMISER;
  return isPromise && promises === 1 ? 'promise' : null;
};

/** To what an unwind would go; `between`: whether there is more of the module below that. */
const look = (skip) => {
  const modules = [];
  const frames = stackBelow(skip);
  for (const frame of frames) modules.push(moduleOf(frame));
  const own = modules[0];
  const isOwn = (module) => module === own || (through && module);
  const outside = modules.findIndex((module) => !isOwn(module));
  const frame = frames[outside];
  return { goesTo: own && owner(frame), between: outside >= 0 && modules.slice(outside).includes(own) };
};

const enter = (work, wrapper, self, args) => {
  const state = unwinds ? wasm.wpk_fork_state() : NORMAL;
  if (unwinds && state === NORMAL) {
    const { goesTo, between } = look(wrapper);
    if (goesTo) {
      buffer ??= allocate();
      view().setUint32(buffer + 4, buffer + ROOM, true);
      wasm.wpk_fork_unwind_begin(buffer);
      counts.between += between;
      unwinding = goesTo;
      pending = args;
      return 0;
    }
    counts.left++;
  } else if (state !== NORMAL) {
    const isUnprepared = (wasm.wpk_fork_unprepared?.() ?? -1) !== -1;
    wasm.wpk_fork_rewind_end();
    wasm.wpk_fork_release?.(buffer);
    if (state === UNDOING) {
      unwinding = null;
      counts[isUnprepared ? 'unprepared' : 'refused']++;
    }
    if (!sameArguments(args, pending)) throw new Error(`called again with ${args}, first with ${pending}`);
  }
  counts.calls++;
  return work.apply(self, args);
};

/** After a call returned: whether it unwound, and is to be made again; so that it finds its frames. */
const goesOn = (kind, begin, func) => {
  if (unwinding !== kind || wasm.wpk_fork_state() !== UNWINDING) return false;
  unwinding = null;
  wasm.wpk_fork_unwind_end();
  counts.unwinds++;
  counts.deepest = Math.max(counts.deepest, view().getUint32(buffer, true) - buffer);
  if (twins && kind === 'call' && isSampled(counts.unwinds)) {
    twins.rewind(func, begin, { buffer, pending });
    counts.twins++;
  }
  wasm.wpk_fork_resume_begin(buffer);
  counts.rewinds++;
  return true;
};

/** New instances of large modules take time: the first few, and every so many. */
const isSampled = (ordinal) => ordinal <= 8 || ordinal % 16 === 0;

const call = (begin, func) => {
  let result = begin();
  while (goesOn('call', begin, func)) result = begin();
  return result;
};

const wrapImports = (module, imports) => {
  const wrapped = {};
  for (const { module: from, name } of WebAssembly.Module.imports(module)) {
    const work = imports[from][name];
    (wrapped[from] ??= {})[name] = original(work);
    if (!entries.includes(`${from}.${name}`)) continue;
    const wrapper = function (...args) { return enter(work, wrapper, this, args); };
    wrapped[from][name] = wrapper;
  }
  return wrapped;
};

const isWatched = (module) => WebAssembly.Module.imports(module).some((item) => entries.includes(`${item.module}.${item.name}`));

const importedMemory = (module, imports) => {
  const item = WebAssembly.Module.imports(module).find((item) => item.kind === 'memory');
  return item && imports[item.module][item.name];
};

const watch = () => {
  const { instantiate, promising } = WebAssembly;
  WebAssembly.instantiate = async (source, imports) => {
    const module = source instanceof WebAssembly.Module ? source : await WebAssembly.compile(source);
    if (!isWatched(module)) return instantiate(source, imports);
    const raw = await instantiate(module, wrapImports(module, imports));
    wasm = spoken(raw.exports, view);
    memory = wasm.wpk_fork_memory ?? wasm.memory ?? importedMemory(module, imports);
    if (mode === 'twin') twins = new Twins(module, raw, imports, entries);
    const instance = wrapInstance(raw, call);
    return source instanceof WebAssembly.Module ? instance : { module, instance };
  };
  WebAssembly.instantiateStreaming = undefined; // what loads modules falls back on the others
  wrapTables(call);
  WebAssembly.promising = (func) => {
    const promise = promising(original(func));
    const { [PROMISER]: begin } = { [PROMISER]: (args) => promise(...args) };
    return async (...args) => {
      promises++;
      try {
        let result = await begin(args);
        while (goesOn('promise')) result = await begin(args);
        return result;
      } finally {
        promises--;
      }
    };
  };
  process.on('exit', () => fs.writeFileSync(stats, JSON.stringify(counts)));
};

// Threads are preloaded with this too, and are left alone.
if (isMainThread) watch();
