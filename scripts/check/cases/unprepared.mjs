// The cases of scripts/check/unprepared.
//
//   node unprepared.mjs --modules DIR --profiles DIR --tool WASM_FORK --work DIR --trials N NAME...
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { codeSection } from './common.mjs';
import { workloads as commands } from '../../workloads/oracle.mjs';
import { workloads as storms } from '../../workloads/storm.mjs';

const text = { type: 'string' };
const { values: options, positionals: names } = parseArgs({
  allowPositionals: true,
  options: { modules: text, profiles: text, tool: text, work: text, trials: text },
});
const LIMITS = { timeout: 600_000, killSignal: 'SIGKILL', maxBuffer: 1 << 28 };
const folder = path.join(import.meta.dirname, '../../workloads');
const recorder = path.join(import.meta.dirname, 'oracle-record.mjs');

/** What is run under a name: `command` drives it, where that is given, and else it is a WASI command. */
const workloadOf = (name) => {
  if (storms[name]?.command) return storms[name];
  const { command, request, ...workload } = commands[name];
  return { ...workload, ...request(options.work) };
};

const tool = (...args) => {
  const result = spawnSync(options.tool, args, { ...LIMITS, encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`wasm-fork ${args.join(' ')}: status ${result.status}\n${result.error ?? result.stderr}`);
  return result.stdout;
};

const run = (workload, file, mode) => {
  const stats = path.join(options.work, 'stats.json');
  fs.rmSync(stats, { force: true });
  const stdin = fs.openSync(workload.stdin ?? '/dev/null');
  const { entries, command, through } = workload;
  const node = command
    ? ['--import', path.join(folder, 'storm-js.mjs'), ...command(file)]
    : [path.join(folder, 'wasi.mjs'), JSON.stringify({ ...workload, file, mode, stats })];
  const env = { ...process.env, STORM: JSON.stringify({ entries, through, mode, stats }) };
  const result = spawnSync(process.execPath, node, { ...LIMITS, env, stdio: [stdin, 'pipe', 'pipe'] });
  fs.closeSync(stdin);
  const counts = fs.existsSync(stats) ? JSON.parse(fs.readFileSync(stats, 'utf8')) : null;
  return { ...result, counts };
};

/** The functions on the stacks of a run. */
const recorded = (name, workload, file) => {
  if (!workload.command) return JSON.parse(fs.readFileSync(path.join(options.profiles, `${name.replaceAll(' ', '-')}.json`), 'utf8')).functions;
  const out = path.join(options.work, 'recorded.json');
  const env = { ...process.env, ORACLE: JSON.stringify({ entries: workload.entries, out }) };
  const result = spawnSync(process.execPath, ['--import', recorder, ...workload.command(file)], { ...LIMITS, env });
  if (result.status !== 0) throw new Error(`${name}: status ${result.status}\n${result.stderr}`);
  const { profile, beyond } = JSON.parse(fs.readFileSync(out, 'utf8'));
  return [...profile.functions, ...beyond];
};

/** What is wrong with a run, given the original's. */
const judge = (workload, result, original) => {
  if (result.error) return String(result.error);
  if (result.status !== original.status) return `status ${result.status}, not ${original.status}\n${result.stderr}`;
  if (!result.stdout.equals(original.stdout)) return 'standard output differs';
  if (!result.stderr.equals(original.stderr)) return `standard error differs:\n${result.stderr}`;
  if (result.counts.calls !== original.counts.calls) return `${result.counts.calls} calls of the entry, not ${original.counts.calls}`;
  const { unwinds, unprepared, calls, left = 0 } = result.counts;
  if (unwinds + unprepared + (workload.some ? left : 0) !== calls) return 'a call was neither unwound nor undone';
  return '';
};

// The same each time.
let state = 0x2545f491;
const random = (limit) => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * limit);
};

const profile = path.join(options.work, 'profile.json');
const instrumented = path.join(options.work, 'instrumented.wasm');
const instrument = (workload, file, functions) => {
  fs.writeFileSync(profile, JSON.stringify({ version: 1, functions }));
  const entries = workload.entries.flatMap((entry) => ['--entry', entry]);
  const flags = [...entries, '--profile', profile];
  tool('instrument', file, '-o', instrumented, ...flags, ...(workload.flags ?? []));
  return flags;
};

let failed = 0;
let goesOn = 0;
let undone = 0;
const fail = (name, problem) => {
  failed++;
  console.log(`FAIL ${name}: ${problem}`);
};

/** One trial: functions are left out, another each time, until one was on a stack that was unwound. JavaScript may have called those below it. */
const attempt = (name, workload, { file, original, functions }, mode) => {
  const open = [...functions];
  while (open.length) {
    const [left] = open.splice(random(open.length), 1);
    instrument(workload, file, functions.filter((other) => other !== left));
    const result = run(workload, instrumented, mode);
    const wrong = judge(workload, result, original);
    if (wrong) return fail(`${name} without function ${left.index}`, wrong);
    if (result.counts.unprepared) {
      goesOn++;
      undone += result.counts.unprepared;
      return undefined;
    }
    if (!workload.command) return fail(`${name} without function ${left.index}`, 'nothing was undone');
  }
  return fail(name, 'no function is on a stack that is unwound');
};

const rows = [];
for (const [at, name] of names.entries()) {
  const workload = workloadOf(name);
  const file = path.join(options.modules, `${workload.module ?? name}.wasm`);
  const original = run(workload, file, 'off');
  const functions = recorded(name, workload, file);
  const flags = instrument(workload, file, functions);
  const size = codeSection(instrumented).size / codeSection(file).size;
  const report = JSON.parse(tool('analyze', file, ...flags, '--format', 'json'));
  const whole = run(workload, instrumented, 'same');
  const problem = judge(workload, whole, original) || (whole.counts.unprepared ? 'the whole profile lacks a function' : '');
  if (problem) fail(name, problem);
  rows.push(`${name.padEnd(20)} ${String(functions.length).padStart(9)} ${String(report.guards).padStart(8)} ${size.toFixed(3)}`);
  const trials = Math.floor((+options.trials * (at + 1)) / names.length) - Math.floor((+options.trials * at) / names.length);
  for (let trial = 0; trial < trials; trial++) {
    attempt(name, workload, { file, original, functions }, trial % 2 && !workload.command ? 'fresh' : 'same');
  }
}
console.log(['module', 'functions', 'guards', 'code'].map((head, i) => (i ? head.padStart([, 9, 8, 5][i]) : head.padEnd(20))).join(' '));
rows.forEach((row) => console.log(row));
console.log(`${goesOn} of ${options.trials} programs went on, with ${undone} calls undone; ${failed} failed`);
if (failed || goesOn !== +options.trials) process.exitCode = 1;
