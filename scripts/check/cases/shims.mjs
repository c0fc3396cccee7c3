// The cases of scripts/check/shims: programs that call functions by other types trap, and print what the native ones print
// when those calls are repaired.
//
//   node shims.mjs [--bash] [--python MODULE] --programs DIR --tool WASM_FORK --work DIR [NAME...]
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { compare, expected, finish, host, report, run, scripts, shellScript, sorted } from './common.mjs';

const { values: options, positionals: wanted } = parseArgs({
  allowPositionals: true,
  options: {
    bash: { type: 'boolean' },
    python: { type: 'string' },
    programs: { type: 'string' },
    tool: { type: 'string' },
    work: { type: 'string' },
  },
});
const MECHANISMS = ['table', 'ref-test'];

/** The programs of shims/: the function that makes the calls, and what the repair takes beside its name. */
const PROGRAMS = {
  getset_get: { site: 'getset_get' },
  getset_set: { site: 'getset_set' },
  from_format: { site: 'from_format_v' },
  in_place_add: { site: 'number_in_place_add' },
  cleanups: { site: 'run_cleanups' },
  fork_below: { site: 'handle', forks: true },
  bit_casts: { site: 'call_hash', flags: ['--allow-bit-casts'] },
};
/** Those of shims/left_alone: nothing may be repaired, so they go on to trap. */
const LEFT_ALONE = { variable_arguments: 'call_sum', struct_return: 'call_half' };
const BASH_SITE = 'unwind_frame_run_internal';
const BASH_SCRIPTS = ['basics.sh', 'nested.sh', 'heredocs.sh'];

const isWanted = (name) => !wanted.length || wanted.some((part) => name.includes(part));
const program = (name) => path.join(options.programs, `${name}.wasm`);

/** A command of the tool from `input` to a new file, which it returns; throws what the tool says when it fails. */
const tool = (command, input, label, ...flags) => {
  const out = path.join(options.work, `${path.basename(input, '.wasm')}+${label}.wasm`);
  const result = run(options.tool, command, input, '-o', out, ...flags);
  if (result.status !== 0) throw new Error(`wasm-fork ${command}: status ${result.status}\n${result.error ?? result.stderr}`);
  return out;
};

/** A case: what `check` returns or throws is the problem. */
const test = (name, check) => {
  if (!isWanted(name)) return;
  let problem;
  try {
    problem = check();
  } catch (error) {
    problem = error.message;
  }
  report(name, problem);
};

/** The problem with a run that must have trapped in `site`, or in a test made for it; '' if it did. */
const trapsIn = (site, { stdout, stderr }) => {
  const [, frame] = /signature mismatch.*\n(?: *at \S*shim\$.*\n)?(.*)/.exec(stderr) ?? [];
  return frame?.includes(`${site} (`) ? '' : `no mismatch in ${site}:\n${stdout}${stderr}`;
};

const sameBytes = (a, b) => Buffer.compare(fs.readFileSync(a), fs.readFileSync(b)) === 0;
const trace = (label, { stderr }) => {
  const file = path.join(options.work, `${label}.trace`);
  fs.writeFileSync(file, stderr);
  return file;
};

/** Repairs by stack traces alone: runs, repairs what trapped, runs again. */
const byTraces = (label, module, start, ...flags) => {
  for (let round = 0; round < 5; round++) {
    const result = start(module);
    if (!/signature mismatch/.test(result.stderr)) return module;
    module = tool('shim', module, `trace${round}`, '--from-trap', trace(`${label}${round}`, result), ...flags);
  }
  throw new Error('it still traps after five repairs');
};

/** What the report says of a caller. */
const reported = (module, caller) => {
  const result = run(options.tool, 'shim', module, '--report', '--format', 'json');
  if (result.status !== 0) throw new Error(result.stderr);
  return JSON.parse(result.stdout).callers.find(({ name }) => name === caller);
};

/**
 * Where the report has the calls that a run records to meet another type, among all that may: they come first, for what debug information
 * says. Beside it where they would be by the pairs of calls and slots alone.
 */
const ranks = (original, name, flags) => {
  const recording = tool('shim', original, 'record', '--record', ...flags);
  const record = path.join(options.work, `${name}.recorded.json`);
  host('--record-shims', record, recording);
  const met = new Set(JSON.parse(fs.readFileSync(record, 'utf8')).calls.map(({ offset }) => offset));
  const { stdout } = run(options.tool, 'shim', original, '--report', '--format', 'json', ...flags);
  const calls = JSON.parse(stdout).callers.flatMap((caller) => caller.calls.map((call) => ({ ...call, caller })));
  const places = (first) => calls.toSorted((a, b) => first(b) - first(a)).flatMap(({ offset }, at) => (met.has(offset) ? [at + 1] : []));
  const pairs = ({ caller }) => caller.adaptable_pairs * 1e6 + caller.other_pairs;
  return { met: met.size, calls: calls.length, is: places(({ likelihood = 0 }) => likelihood), was: places(pairs) };
};

const repaired = (table, name, { site, flags = [], forks }) => {
  const label = `${table}/${name}`;
  const original = program(`shims/${label}`);
  const prints = (module) => compare(host(module), expected(name), sorted);
  test(`${label}: traps`, () => trapsIn(site, host(original)));
  test(`${label}: is reported`, () => (reported(original, site)?.calls.length ? '' : `nothing about ${site}`));
  test(`${label}: comes first in the report`, () => {
    const { met, calls, is, was } = ranks(original, `${table}-${name}`, flags);
    console.log(`     ${met} of ${calls} calls meet another type: ranks ${is}, without debug information ${was}`);
    return met && is.every((rank) => rank <= met) ? '' : `of ${met} calls the ranks are ${is}`;
  });
  if (flags.length) test(`${label}: traps without ${flags}`, () => trapsIn(site, host(tool('shim', original, 'plain', '--site', site))));
  for (const mechanism of MECHANISMS) {
    const here = `${label}, ${mechanism}`;
    const shim = (input, to, ...more) => tool('shim', input, `${mechanism}-${to}`, '--mechanism', mechanism, ...flags, ...more);
    const instrument = (input, to, ...more) => tool('instrument', input, `${mechanism}-${to}`, ...more);
    if (!forks) {
      test(`${here}: --site`, () => prints(shim(original, 'site', '--site', site)));
      test(`${here}: --all-sites`, () => prints(shim(original, 'all', '--all-sites')));
      test(`${here}: --from-trap`, () => prints(byTraces(`${table}-${name}-${mechanism}`, original, host, '--mechanism', mechanism, ...flags)));
    } else {
      test(`${here}: shim, then instrument`, () => prints(instrument(shim(original, 'first', '--site', site), 'second')));
      test(`${here}: instrument, then shim`, () => prints(shim(instrument(original, 'first'), 'second', '--site', site)));
      test(`${here}: in one command`, () => {
        const one = instrument(original, 'one', '--shim-site', site, '--shim-mechanism', mechanism);
        const two = instrument(shim(original, 'one-of-two', '--site', site), 'two');
        return sameBytes(one, two) ? prints(one) : 'the bytes are not those of two commands';
      });
    }
    test(`${here}: a second time`, () => {
      const once = shim(original, 'once', '--site', site);
      return sameBytes(once, shim(once, 'twice', '--site', site)) ? '' : 'it was changed again';
    });
  }
};

const leftAlone = (table, name, site) => {
  const label = `${table}/${name}`;
  const original = program(`shims/${label}`);
  test(`${label}: traps`, () => trapsIn(site, host(original)));
  for (const mechanism of MECHANISMS)
    for (const flag of ['--site', '--all-sites'])
      test(`${label}, ${mechanism}: traps as before, ${flag}`, () => {
        const flags = flag === '--site' ? [flag, site] : [flag];
        return trapsIn(site, host(tool('shim', original, mechanism + flag, '--mechanism', mechanism, '--allow-bit-casts', ...flags)));
      });
};

/** The shell, built with all its calls by other types: every way to repair it, and to make it fork. */
const bash = () => {
  const original = program('bash-casts');
  const start = (module, script) => shellScript(module, 'bash', script, program('cat'));
  const ways = (mechanism) => {
    const flags = ['--mechanism', mechanism];
    const shim = (input, label) => tool('shim', input, `${mechanism}-${label}`, '--site', BASH_SITE, ...flags);
    const instrument = (input, label, ...more) => tool('instrument', input, `${mechanism}-${label}`, ...more);
    const inOne = ['--shim-mechanism', mechanism];
    return {
      'in one command': () => instrument(original, 'one', '--shim-site', BASH_SITE, ...inOne),
      'shim, then instrument': () => instrument(shim(original, 'shim'), 'two'),
      'instrument, then shim': () => shim(instrument(original, 'instrument'), 'reversed'),
      'by a stack trace, in one command': () =>
        instrument(original, 'trace', '--shim-from-trap', trace(`bash-${mechanism}`, start(original, 'casts.sh')), ...inOne),
    };
  };
  let forks;
  const instrumented = () => (forks ??= tool('instrument', original, 'instrumented'));
  for (const script of BASH_SCRIPTS) test(`bash ${script}: traps`, () => trapsIn(BASH_SITE, start(instrumented(), script)));
  for (const mechanism of MECHANISMS)
    for (const [way, make] of Object.entries(ways(mechanism))) {
      let module;
      for (const script of BASH_SCRIPTS)
        test(`bash ${script}, ${mechanism}: ${way}`, () => compare(start((module ??= make()), script), expected(script)));
    }
};

/** CPython: a call in which it is a cast of its own that traps. */
const python = (original) => {
  const inputs = path.join(scripts, 'programs/python');
  const start = (module) => {
    const request = { file: module, mode: 'off', entries: [], argv0: 'python', args: ['/in/unregister.py'], dirs: { '/in': inputs } };
    const runner = path.join(scripts, 'workloads/wasi.mjs');
    return run(process.execPath, runner, JSON.stringify({ ...request, stats: path.join(options.work, 'stats') }));
  };
  test('python: traps', () => (/signature mismatch/.test(start(original).stderr) ? '' : 'no mismatch'));
  for (const mechanism of MECHANISMS)
    test(`python, ${mechanism}: by a stack trace`, () =>
      compare(start(byTraces(`python-${mechanism}`, original, start, '--mechanism', mechanism)), expected('unregister.py')));
};

for (const table of ['exported', 'private']) {
  for (const [name, about] of Object.entries(PROGRAMS)) repaired(table, name, about);
  for (const [name, site] of Object.entries(LEFT_ALONE)) leftAlone(table, name, site);
}
if (options.bash) bash();
if (options.python) python(options.python);
finish();
