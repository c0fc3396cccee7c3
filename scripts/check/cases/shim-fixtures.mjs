// The fixtures of wat-fixtures/shim once more, under V8: each step must do what the fixture's expectation says, which
// is what Wasmtime did.
//
//   node --experimental-wasm-type-reflection shim-fixtures.mjs --tool WASM_FORK --work DIR [NAME...]
//
// Not compared: whether a trap is for a null slot or for a mismatch, of which V8 says the same; floats but for their bits;
// calls with vectors, which JavaScript can't make.
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { finish, report, run } from './common.mjs';

const { values: options, positionals: wanted } = parseArgs({
  allowPositionals: true,
  options: { tool: { type: 'string' }, work: { type: 'string' } },
});
const FIXTURES = path.join(import.meta.dirname, '../../../wat-fixtures/shim');
const COLUMNS = { original: null, table: 'table', 'ref-test': 'ref-test' };
const FLAGS = { SITE: (value) => ['--site', value], 'ALL-SITES': () => ['--all-sites'], 'ALLOW-BIT-CASTS': () => ['--allow-bit-casts'] };

/** What a fixture's comments ask for, and what each column of its expectation says of each step. */
const read = (name) => {
  const text = fs.readFileSync(path.join(FIXTURES, `${name}.wat`), 'utf8');
  const directives = [...text.matchAll(/^;; ([A-Z-]+): ?(.*)$/gm)].map(([, key, value]) => [key, value.trim()]);
  const steps = directives.filter(([key]) => key === 'STEP').map(([, value]) => value);
  const flags = directives.flatMap(([key, value]) => FLAGS[key]?.(value) ?? []);
  const blocks = fs.readFileSync(path.join(FIXTURES, `${name}.expected`), 'utf8').trimEnd().split('\n\n').slice(-steps.length);
  const columns = Object.keys(COLUMNS).map((column, at) => [column, blocks.map((block) => block.split('\n')[at + 1].slice(12))]);
  return { steps, flags, expected: Object.fromEntries(columns) };
};

/** The module of a column; null if the tool refuses it, with what it says. */
const build = (name, flags, mechanism) => {
  const input = path.join(FIXTURES, `${name}.wat`);
  const out = path.join(options.work, `${name}.${mechanism ?? 'original'}.wasm`);
  const result = mechanism
    ? run(options.tool, 'shim', input, '-o', out, ...flags, '--mechanism', mechanism)
    : run(options.tool, 'instrument', input, '-o', out, '--entry', 'none.none', '--allow-missing-entry');
  if (result.status !== 0) return { refusal: result.stderr.trim() };
  return { module: new WebAssembly.Module(fs.readFileSync(out)) };
};

/** Functions that this host made, whose length is JavaScript's. */
const made = new WeakSet();
const hostFunction = (type, body) => {
  const func = new WebAssembly.Function(type, body);
  made.add(func);
  return func;
};

/** Imports as the test's other host has them: see tests/suite/fixtures/shim.rs. */
const imports = (module) => {
  const env = {};
  for (const { name, kind, type } of WebAssembly.Module.imports(module)) {
    if (kind === 'function') env[name] = hostFunction(type, (first) => first + 1000);
    if (kind === 'global') env[name] = new WebAssembly.Global({ value: type.value, mutable: type.mutable }, 1);
    if (kind !== 'table') continue;
    env[name] = new WebAssembly.Table({ element: 'anyfunc', initial: type.minimum, ...(type.maximum !== undefined && { maximum: type.maximum }) });
    const given = hostFunction({ parameters: ['i32', 'i32'], results: ['i32'] }, (a, b) => a * 100 + b);
    for (let slot = 0; name.endsWith('filled') && slot < env[name].length; slot++) env[name].set(slot, given);
  }
  return { env };
};

const bits = (type, value) => {
  const view = new DataView(new ArrayBuffer(8));
  if (type === 'f32') view.setFloat32(0, value);
  else view.setFloat64(0, value);
  return type === 'f32' ? `0x${view.getUint32(0).toString(16).padStart(8, '0')}` : `0x${view.getBigUint64(0).toString(16).padStart(16, '0')}`;
};
const show = (type, value) => {
  if (type === 'f32' || type === 'f64') return `${type} (${bits(type, value)})`;
  if (type === 'i32' || type === 'i64') return `${type} ${value}`;
  return `${type} ${value === null ? 'null' : 'not null'}`;
};

/** Calls a function as its type says; the results, or the trap. */
const call = (func, words) => {
  const { parameters, results } = func.type();
  if ([...parameters, ...results].includes('v128')) return undefined;
  const args = parameters.map((type, at) => {
    const word = words[at] ?? '0';
    if (type === 'i64') return BigInt(word);
    return type.includes('ref') || type === 'anyfunc' ? null : Number(word);
  });
  try {
    const value = func(...args);
    const values = results.length > 1 ? value : results.length ? [value] : [];
    return `(${results.map((type, at) => show(type, values[at])).join(', ')})`;
  } catch (error) {
    if (!(error instanceof WebAssembly.RuntimeError)) throw error;
    return `trap: ${error.message}`;
  }
};

/** Does one step; undefined if JavaScript can't. */
const step = (text, { exports }, { env }) => {
  const [what, name, ...words] = text.split(/\s+/);
  if (what === 'call') return call(exports[name], words);
  const table = exports[name] ?? env[name];
  const [number, ...rest] = words;
  // A table with 64-bit indices takes BigInts.
  const index = typeof table.length === 'bigint' ? BigInt : Number;
  if (what === 'host-call') {
    const func = table.get(index(number));
    const { parameters, results } = func.type();
    if (!made.has(func) && func.length !== parameters.length) return `its length is ${func.length}`;
    const list = (kind, types) => (types.length ? ` (${kind} ${types.join(' ')})` : '');
    return `(type (func${list('param', parameters)}${list('result', results)})): ${call(func, rest)}`;
  }
  if (what === 'host-grow') return `from ${table.grow(index(number), exports[rest[0]])}`;
  table.set(index(number), exports[rest[0]]);
  const syncs = Object.keys(exports).filter((name) => what === 'host-set-and-sync' && name.startsWith('wasm_fork_shim_sync_'));
  syncs.forEach((name) => exports[name](index(number), index(1)));
  return syncs.length ? 'done, and told' : 'done';
};

/** What V8 and Wasmtime say in different words. */
const normal = (text) =>
  text
    .replace(/(f32|f64) \S+ \(/g, '$1 (')
    .replace(/trap: .*(mismatch|uninitialized element).*/, 'trap: no such function')
    .replace(/trap: .*(out of bounds).*/, 'trap: out of bounds')
    .replace(/trap: .*(unreachable).*/, 'trap: unreachable')
    .replace(/trap: .*(call stack).*/i, 'trap: stack');

const check = (name, column, mechanism, { steps, flags, expected }) => {
  const { module, refusal } = build(name, flags, mechanism);
  if (refusal) return expected[column].every((line) => line.startsWith('refused: ')) ? '' : refusal;
  const given = imports(module);
  const instance = new WebAssembly.Instance(module, given);
  for (const [at, text] of steps.entries()) {
    const did = step(text, instance, given);
    if (did !== undefined && normal(did) !== normal(expected[column][at])) {
      return `${text}: ${did}, and not ${expected[column][at]}`;
    }
  }
  return '';
};

const names = fs.readdirSync(FIXTURES).filter((file) => file.endsWith('.wat')).map((file) => file.slice(0, -4)).sort();
for (const name of names.filter((name) => !wanted.length || wanted.some((part) => `fixtures/${name}`.includes(part)))) {
  const fixture = read(name);
  for (const [column, mechanism] of Object.entries(COLUMNS)) {
    let problem;
    try {
      problem = check(name, column, mechanism, fixture);
    } catch (error) {
      problem = error.stack;
    }
    report(`fixtures/${name}, ${column}`, problem);
  }
}
finish();
