// The cases of scripts/check/oracle: records the stacks of each workload, and looks for every function in the closures.
//
//   node oracle.mjs [--all] [--profiles DIR] --modules DIR --programs DIR --tool WASM_FORK --work DIR NAME...
//   node oracle.mjs [--all] --needs modules|programs NAME...     prints what the workloads need, a line each
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { workloads } from '../../workloads/oracle.mjs';

const text = { type: 'string' };
const { values: options, positionals: wanted } = parseArgs({
  allowPositionals: true,
  options: { all: { type: 'boolean' }, needs: text, profiles: text, modules: text, programs: text, tool: text, work: text },
});
const UNSOUND = 'direct';
const LEVELS = [UNSOUND, 'asyncify', 'types', 'constants', 'interprocedural'];
const TIMEOUT_MS = 300_000;
const INVOKE = /^env\.invoke_[vijfdpe]+$/; // what the tool knows to call back, unasked

const unknown = wanted.filter((name) => !workloads[name]);
if (unknown.length) throw new Error(`no workload is called ${unknown}`);
const isChosen = ([name, { large }]) => (wanted.length ? wanted.includes(name) : options.all || !large);
const chosen = Object.entries(workloads).filter(isChosen);

const LIMITS = { timeout: TIMEOUT_MS, killSignal: 'SIGKILL', maxBuffer: 1 << 28 };

const tool = (...args) => {
  const result = spawnSync(options.tool, args, { ...LIMITS, encoding: 'utf8' });
  // `analyze` prints the closure of a module that `instrument` refuses, too, and ends with status 1.
  const done = result.status === 0 || (args[0] === 'analyze' && result.status === 1 && result.stdout !== '');
  if (!done) throw new Error(`wasm-fork ${args[0]}: status ${result.status}\n${result.error ?? result.stderr}`);
  return result.stdout;
};

const entryFlags = ({ entries }) => entries.flatMap((entry) => ['--entry', entry]);

/** The module that is analyzed, and the one that runs: the same, but for a program that can only run when instrumented. */
const files = (name, workload) => {
  if (!workload.program) {
    const file = path.join(options.modules, `${workload.module ?? name}.wasm`);
    return { file, runs: file };
  }
  const file = path.join(options.programs, `${workload.program}.wasm`);
  const runs = path.join(options.work, `${workload.program}.wasm`);
  tool('instrument', file, '-o', runs, ...entryFlags(workload));
  return { file, runs };
};

/** What oracle-record.mjs wrote. */
const record = (workload, file) => {
  const out = path.join(options.work, 'record.json');
  fs.rmSync(out, { force: true });
  const ORACLE = JSON.stringify({ entries: workload.entries, out });
  const stdin = fs.openSync(workload.stdin ?? '/dev/null');
  const recorder = path.join(import.meta.dirname, 'oracle-record.mjs');
  const result = spawnSync(process.execPath, ['--import', recorder, ...workload.command(file, options.work)], {
    ...LIMITS,
    stdio: [stdin, 'pipe', 'pipe'],
    env: { ...process.env, ORACLE },
  });
  fs.closeSync(stdin);
  if (result.status !== (workload.status ?? 0)) throw new Error(`the run: status ${result.status}\n${result.error ?? result.stderr}`);
  const recorded = JSON.parse(fs.readFileSync(out, 'utf8'));
  if (!recorded.profile.stacks) throw new Error('the entry was never called');
  return recorded;
};

/** What the recorded stacks show of a host that the workload doesn't announce; nothing, if all is well. */
const surprises = (workload, { callbacks, foreign }) => {
  const unnamed = Object.keys(callbacks).filter((name) => !INVOKE.test(name));
  if (unnamed.length) return `${unnamed} called back, which nothing announces`;
  return !foreign === !workload.foreign ? '' : `${foreign} stacks with functions of other instances that called back`;
};

/** What the closure of an analysis must contain: also what is below other instances, unless it assumes that nothing is. */
const required = ({ profile, beyond }, { assumptions }) => {
  const isAssumedAway = assumptions.some((text) => /^Functions of other instances .* do not lead to an entry/.test(text));
  return isAssumedAway ? profile.functions : [...profile.functions, ...beyond];
};

const pad = (cells) => cells.map((cell, i) => (i ? String(cell).padStart(16) : String(cell).padEnd(24))).join('');
let failed = 0;
let missedByControl = 0;
const report = (name, problem) => {
  failed++;
  console.log(`FAIL ${name}\n${problem.split('\n').slice(0, 30).map((line) => `     ${line.slice(0, 200)}`).join('\n')}`);
};

const check = (name, workload) => {
  const { file, runs } = files(name, workload);
  const recorded = record(workload, runs);
  const { profile, deepest } = recorded;
  const problems = [surprises(workload, recorded)];
  const cells = LEVELS.map((level) => {
    const analysis = JSON.parse(tool('analyze', file, ...entryFlags(workload), '--precision', level, '--format', 'json'));
    const closure = new Set(analysis.closure.map(({ index }) => index));
    const missing = required(recorded, analysis).filter(({ index }) => !closure.has(index));
    if (level === UNSOUND) {
      missedByControl += missing.length;
      return `${closure.size} (-${missing.length})`;
    }
    for (const { index, name: called } of missing) problems.push(`${level}: function ${index} (${called ?? 'no name'}) is missing`);
    return closure.size;
  });
  console.log(pad([name, profile.stacks, deepest, profile.functions.length, ...cells]));
  if (options.profiles) fs.writeFileSync(path.join(options.profiles, `${name.replaceAll(' ', '-')}.json`), JSON.stringify(profile));
  const problem = problems.filter(Boolean).join('\n');
  if (problem) report(name, problem);
};

if (options.needs) {
  const isProgram = options.needs === 'programs';
  const needs = chosen.flatMap(([name, { module = name, program }]) => {
    if (isProgram) return program ? ['cat', program] : [];
    return program ? [] : [module];
  });
  process.stdout.write([...new Set(needs)].map((need) => `${need}\n`).join(''));
} else {
  console.log(pad(['workload', 'stacks', 'deepest', 'functions', ...LEVELS]));
  for (const [name, workload] of chosen) {
    try {
      check(name, workload);
    } catch (error) {
      report(name, String(error.stack));
    }
  }
  // Of a few workloads alone, none may need more than direct calls.
  if (!missedByControl && !wanted.length) report('negative control', 'direct calls alone missed nothing, so this proves nothing');
  console.log(failed ? `${failed} failed` : `no function is missing; direct calls alone miss ${missedByControl}`);
  if (failed || !chosen.length) process.exitCode = 1;
}
