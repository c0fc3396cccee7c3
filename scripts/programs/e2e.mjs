// The cases of scripts/e2e: instruments each program, runs it under the kernel, compares with expected/.
//
//   node e2e.mjs [--full] [--abi wpk-fork|asyncify] --programs DIR --tool WASM_FORK --work DIR [NAME...]
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';

const { values: options, positionals: wanted } = parseArgs({
  allowPositionals: true,
  options: {
    full: { type: 'boolean' },
    abi: { type: 'string', default: 'wpk-fork' },
    programs: { type: 'string' },
    tool: { type: 'string' },
    work: { type: 'string' },
  },
});
const here = import.meta.dirname;
const ENTRY = 'kernel.kernel_fork';
const TIMEOUT_MS = 120_000;

/**
 * What the tool does not support yet, it must refuse by name: with status 1, no output file, and a message that says
 * what and where. `must` is for what it promises to refuse; the others may as well work, and then must work right.
 */
const IN_HANDLER = { message: /`catch(_all)?` handler|a reference, live across/ };
const REFUSALS = {
  s17_tailcall: { message: /return_call/, must: true },
  t02_catch: IN_HANDLER,
  t03_cleanup: IN_HANDLER,
  t04_rethrow: IN_HANDLER,
  t05_virtual: IN_HANDLER,
  t06_stl: IN_HANDLER,
};

/** Enough of a text to see what is wrong. */
const clip = (text) =>
  text.trimEnd().split('\n').slice(0, 40).map((line) => line.slice(0, 200)).join('\n');

let passed = 0;
const failures = [];
const report = (name, problem, note) => {
  if (problem) failures.push(name);
  else passed++;
  console.log(`${problem ? 'FAIL' : 'ok  '} ${name}${note ? ` (${note})` : ''}`);
  if (problem) console.log(clip(problem).replace(/^/gm, '     '));
};

const run = (command, ...args) =>
  spawnSync(command, args, { encoding: 'utf8', timeout: TIMEOUT_MS, maxBuffer: 1 << 28, killSignal: 'SIGKILL' });
const host = (...args) => run(process.execPath, path.join(here, '../host/run.mjs'), '--abi', options.abi, ...args);
const expected = (name) => fs.readFileSync(path.join(here, 'expected', `${name}.txt`), 'utf8');
const program = (name) => path.join(options.programs, `${name}.wasm`);
const sorted = (text) => text.split(/(?<=\n)/).sort().join('');
const isWanted = (name) => !wanted.length || wanted.some((part) => name.includes(part));

/** The first lines in which two texts differ. */
const difference = (is, should) => {
  const [a, b] = [is, should].map((text) => text.split('\n'));
  const at = a.findIndex((line, i) => line !== b[i]);
  const from = at < 0 ? a.length : at;
  return [`from line ${from + 1} on it printed`, ...a.slice(from, from + 5), 'and should have printed', ...b.slice(from, from + 5)].join('\n');
};

/** Instruments a program; returns the output's path, or null when it was refused or failed, which is reported. */
const instrument = (name, refusal) => {
  const out = path.join(options.work, `${name.replaceAll('/', '-')}.wasm`);
  const result = run(options.tool, 'instrument', program(name), '-o', out, '--entry', ENTRY, '--abi', options.abi);
  if (result.status === 0 && refusal?.must) {
    report(name, 'this should have been refused');
    return null;
  }
  if (result.status === 0) return out;
  const message = result.error ? String(result.error) : result.stderr;
  const line = clip(message).split('\n').find((text) => text.startsWith('error:')) ?? '';
  const isRefusal = result.status === 1 && refusal?.message.test(line) && !fs.existsSync(out);
  report(name, isRefusal ? '' : `wasm-fork: status ${result.status}\n${message}`, isRefusal ? `refused: ${line}` : '');
  return null;
};

/** Compares a finished run with an expectation; returns the problem, or ''. */
const compare = (result, should, normal = (text) => text) => {
  if (result.error) return String(result.error);
  const is = `${normal(result.stdout)}status ${result.status}\n`;
  return is === should ? '' : `${difference(is, should)}\n${result.stderr}`;
};

const shape = (encoding, name) => {
  const full = `shapes/${encoding}/${name}`;
  if (!isWanted(full)) return;
  const module = instrument(full, REFUSALS[name]);
  if (module) report(full, compare(host(module), expected(name), sorted));
  return module;
};

const shell = (name, scripts) => {
  const cases = scripts.map((script) => [`${name} ${script}`, script]).filter(([full]) => isWanted(full));
  if (!cases.length) return;
  const module = instrument(name);
  if (!module) return;
  for (const [full, script] of cases) {
    const source = path.join(here, 'shell', script);
    const result = host('--fs', `${program('cat')}=/bin/cat`, '--fs', `${source}=/script`, '--exec', `/bin/${name}`, module, '/script');
    report(full, compare(result, expected(script)));
  }
};

/** What a shape does with every size of buffer, from none to enough. */
const noRoom = (encoding, name, module) => {
  const full = `shapes/${encoding}/${name} with every size of buffer`;
  // Asyncify's protocol has no way to say that there was no room.
  if (!module || !isWanted(full) || options.abi !== 'wpk-fork') return;
  const texts = ['', '.failing'].map((kind) => path.join(here, 'expected', `${name}${kind}.txt`));
  const result = run(process.execPath, path.join(here, 'no-room.mjs'), module, ...texts);
  report(full, result.status === 0 ? '' : `${result.error ?? ''}${result.stdout}${result.stderr}`, result.status === 0 ? result.stdout.trim() : '');
};

for (const encoding of ['legacy', 'exnref']) {
  const files = fs.readdirSync(path.join(options.programs, 'shapes', encoding)).sort();
  for (const name of files.map((file) => path.basename(file, '.wasm'))) {
    const module = shape(encoding, name);
    noRoom(encoding, name, module);
  }
}
const common = ['basics.sh', 'nested.sh', 'heredocs.sh'];
shell('dash', [...common, 'exits.sh']);
shell('dash-signals', [...common, 'exits.sh', 'signals.sh']);
if (options.full) shell('bash', common);

console.log(`${passed} passed, ${failures.length} failed`);
if (!passed || failures.length) process.exitCode = 1;
