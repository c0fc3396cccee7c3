// Records a profile for `wasm-fork … --profile`: which functions of a module are on the stack when an import is called.
//
//   ENTRY='MODULE.NAME' PROFILE=app.json node --import ./scripts/record-profile.mjs PROGRAM…
//
// ENTRY may end in `*`, and may be several, with commas between them. The program runs as ever; when it ends, the
// profile is in PROFILE (profile.json otherwise). If several modules call such an import, each has a file of its own,
// with V8's hash of the module in its name; so has each worker thread, by its number. `wasm-fork profile merge` unites
// the files of one module.
//
// Indices are those of the module that runs, original or instrumented: they are the same. Frames below an import that
// calls back are on the stack too. Not seen: an import that is no function (a WebAssembly.Suspending), and a process
// that is killed.
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { isMainThread, threadId } from 'node:worker_threads';

const entries = (process.env.ENTRY ?? 'kernel.kernel_fork').split(',');
const path = process.env.PROFILE ?? 'profile.json';
const FRAME = /wasm:\/\/wasm\/(.*):wasm-function\[(\d+)\]:0x[0-9a-f]+\)?$/;

const digests = new WeakMap(); // of modules, in hexadecimal
const records = new Map(); // by the module's URL: { digest, stacks, functions: Map of index → { index, name, count } }

const isEntry = (from, name) =>
  entries.some((entry) => (entry.endsWith('*') ? `${from}.${name}`.startsWith(entry.slice(0, -1)) : entry === `${from}.${name}`));

/** The frames of the stack, innermost first. */
const frames = () => {
  const { prepareStackTrace, stackTraceLimit } = Error;
  Error.stackTraceLimit = Infinity;
  Error.prepareStackTrace = (_, sites) => sites;
  const { stack } = new Error();
  Object.assign(Error, { prepareStackTrace, stackTraceLimit });
  return stack;
};

const record = (digest) => {
  const seen = new Map();
  let module; // that of the innermost frame: it calls the import
  for (const site of frames()) {
    const [, url, index] = FRAME.exec(site.toString()) ?? [];
    if (index === undefined || url !== (module ??= url)) continue;
    // A module that has a name puts it in front of its functions'.
    const prefix = url.replace(/-?[0-9a-f]+$/, '') + '.';
    const full = site.getFunctionName() ?? undefined;
    const name = full?.startsWith(prefix) ? full.slice(prefix.length) : full;
    // What instrumenting added is no function of the program; a resume function's own is on the stack too.
    if (name?.startsWith('wpk_fork_') || name?.endsWith(' [resume]')) continue;
    seen.set(Number(index), name);
  }
  if (module === undefined) return;
  if (!records.has(module)) records.set(module, { digest, stacks: 0, functions: new Map() });
  const { functions } = records.get(module);
  records.get(module).stacks++;
  for (const [index, name] of seen) {
    if (!functions.has(index)) functions.set(index, { index, name, count: 0 });
    functions.get(index).count++;
  }
};

/** The imports of a module, with a recorder in front of each entry. */
const wrapped = (module, imports) => {
  const result = {};
  for (const { module: from, name } of WebAssembly.Module.imports(module)) {
    const value = imports?.[from]?.[name];
    result[from] ??= {};
    result[from][name] = value;
    if (typeof value !== 'function' || !isEntry(from, name)) continue;
    result[from][name] = function (...values) {
      record(digests.get(module));
      return Reflect.apply(value, imports[from], values);
    };
  }
  return result;
};

const digested = (module, bytes) => {
  const view = ArrayBuffer.isView(bytes) ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength) : new Uint8Array(bytes);
  digests.set(module, createHash('sha256').update(view).digest('hex'));
  return module;
};

const { compile, instantiate } = WebAssembly;
WebAssembly.Module = new Proxy(WebAssembly.Module, {
  construct: (target, [bytes, ...rest], to) => digested(Reflect.construct(target, [bytes, ...rest], to), bytes),
});
WebAssembly.Instance = new Proxy(WebAssembly.Instance, {
  construct: (target, [module, imports], to) => Reflect.construct(target, [module, wrapped(module, imports)], to),
});
WebAssembly.compile = async (bytes, ...rest) => digested(await compile(bytes, ...rest), bytes);
WebAssembly.instantiate = async (source, imports, ...rest) => {
  if (source instanceof WebAssembly.Module) return instantiate(source, wrapped(source, imports), ...rest);
  const module = await WebAssembly.compile(source, ...rest);
  return { module, instance: await instantiate(module, wrapped(module, imports)) };
};
const bytesOf = async (response) => (await response).arrayBuffer();
WebAssembly.compileStreaming = async (response, ...rest) => WebAssembly.compile(await bytesOf(response), ...rest);
WebAssembly.instantiateStreaming = async (response, ...rest) => WebAssembly.instantiate(await bytesOf(response), ...rest);

process.on('exit', () => {
  if (isMainThread && records.size === 0) console.error(`record: no module called ${entries.join(' or ')}`);
  for (const [url, { digest, stacks, functions }] of records) {
    const marks = [...(records.size > 1 ? [url.match(/[0-9a-f]+$/)?.[0]] : []), ...(isMainThread ? [] : [threadId])];
    const file = marks.length ? path.replace(/(\.json)?$/, `.${marks.join('.')}$1`) : path;
    const sorted = [...functions.values()].sort((a, b) => a.index - b.index);
    const text = JSON.stringify({ version: 1, stacks, module: digest, functions: sorted }, null, 1);
    fs.writeFileSync(file, `${text}\n`);
  }
});
