// Preloaded into a run (`node --import oracle-record.mjs …`): records which functions are on the stack at each call of an entry.
//
//   ORACLE='{"entries": ["MODULE.NAME"…], "out": FILE}'
//
// Every module that imports an entry is watched; all that are watched must be the same module. When the run ends, `out` is
// written:
//
//   profile    {version: 1, functions: [{index, name, count}…], stacks}: the functions seen, each with the number of
//              stacks that it was on; the format that `wasm-fork … --profile` reads
//   deepest    frames of the module on the deepest stack
//   callbacks  {"MODULE.NAME": stacks}: the imports that the module had called and that called it back
//   foreign    stacks with a function of another instance, called through a table or a reference, that had called back
//   beyond     the functions that were only ever seen below such a call; they are not in `profile`
//
// V8 tells a module's frames from others by the URL of its script, which comes from the module's bytes.
import fs from 'node:fs';
import { stackBelow } from '../../lib/stack.mjs';

const { entries, out } = JSON.parse(process.env.ORACLE);
const IMPORT = 'import ';

const functions = new Map(); // index → { name, count }
const beyond = new Map(); // the same for those below a foreign function
const callbacks = {};
let stacks = 0;
let deepest = 0;
let foreign = 0;
let watched; // the script URL of the module
let failure;

/** { script, index } of a frame of WebAssembly; null for any other. */
const wasmFrame = (frame) => {
  const [, index] = /:wasm-function\[(\d+)\]:0x[0-9a-f]+\)?$/.exec(frame.toString()) ?? [];
  return index === undefined ? null : { script: frame.getScriptNameOrSourceURL(), index: Number(index) };
};

/** A function's name, without that of its module, which V8 puts in front; undefined if it has none. */
const functionName = (frame, script) => {
  const name = frame.getFunctionName() ?? undefined;
  const module = script.replace(/^wasm:\/\/wasm\//, '').replace(/-?[0-9a-f]+$/, '');
  return name?.startsWith(`${module}.`) ? name.slice(module.length + 1) : name;
};

const note = (seen, { index, script }, frame) => {
  const name = functionName(frame, script);
  // What instrumenting added is no function of the program; a resume function's own is on the stack too.
  if (name?.startsWith('wpk_fork_') || name?.endsWith(' [resume]')) return;
  if (!seen.has(index)) seen.set(index, { index, name, count: 0 });
  seen.get(index).count++;
};

/** Takes the stack that is in the import `skip`, an entry. */
const record = (skip) => {
  stacks++;
  const here = new Set(); // the functions on this stack
  const calledBack = new Set();
  let between = null; // the outermost frame that is not the module's, since the last one that is
  let isForeign = false;
  let depth = 0;
  for (const frame of stackBelow(skip)) {
    const wasm = wasmFrame(frame);
    if (wasm) watched ??= wasm.script;
    if (wasm?.script !== watched) {
      if (!depth) throw new Error(`called from ${frame}, not from ${watched}`);
      between = frame;
      continue;
    }
    if (between) {
      const name = between.getFunctionName();
      if (name?.startsWith(IMPORT)) calledBack.add(name.slice(IMPORT.length));
      else isForeign = true;
      between = null;
    }
    depth++;
    const key = `${isForeign} ${wasm.index}`;
    if (!here.has(key)) note(isForeign ? beyond : functions, wasm, frame);
    here.add(key);
  }
  deepest = Math.max(deepest, depth);
  if (isForeign) foreign++;
  for (const name of calledBack) callbacks[name] = (callbacks[name] ?? 0) + 1;
};

/** An import under its own name, so that it can be told on a stack. */
const wrap = (name, work) => {
  const isEntry = entries.includes(name);
  const label = IMPORT + name;
  const { [label]: wrapper } = {
    [label](...args) {
      if (isEntry) {
        try {
          record(wrapper);
        } catch (error) {
          // The run would take it for an error of its own.
          failure ??= error;
        }
      }
      return work.apply(this, args);
    },
  };
  return wrapper;
};

const wrapAll = (module, imports) => {
  const items = WebAssembly.Module.imports(module);
  const isEntry = (item) => entries.includes(`${item.module}.${item.name}`);
  if (!items.some(isEntry)) return imports;
  const wrapped = {};
  for (const { module: from, name } of items) {
    const value = imports[from][name];
    (wrapped[from] ??= {})[name] = typeof value === 'function' ? wrap(`${from}.${name}`, value) : value;
  }
  return wrapped;
};

const { Instance, instantiate } = WebAssembly;
WebAssembly.Instance = new Proxy(Instance, {
  construct: (_, [module, imports]) => new Instance(module, wrapAll(module, imports)),
});
WebAssembly.instantiate = async (source, imports) => {
  if (source instanceof WebAssembly.Module) return instantiate(source, wrapAll(source, imports));
  const module = await WebAssembly.compile(source);
  return { module, instance: await instantiate(module, wrapAll(module, imports)) };
};
WebAssembly.instantiateStreaming = undefined; // what loads modules falls back on the others

process.on('exit', () => {
  if (failure) {
    console.error(failure);
    process.exitCode = 70;
  }
  const sorted = (seen) => [...seen.values()].sort((a, b) => a.index - b.index);
  for (const index of functions.keys()) beyond.delete(index);
  const profile = { version: 1, functions: sorted(functions), stacks };
  fs.writeFileSync(out, JSON.stringify({ profile, deepest, callbacks, foreign, beyond: sorted(beyond) }));
});
