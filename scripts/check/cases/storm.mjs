// The cases of scripts/check/storm: each workload once with the original module, then instrumented in every mode.
//
//   node storm.mjs --modules DIR --tool WASM_FORK --work DIR --optimize WAY[+resume-module]|profiled [--abi ABI] NAME...
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { workloads } from '../../workloads/storm.mjs';
import { rewriting, scripts } from './common.mjs';

const { values: options, positionals: names } = parseArgs({
  allowPositionals: true,
  options: { modules: { type: 'string' }, tool: { type: 'string' }, work: { type: 'string' }, optimize: { type: 'string' }, abi: { type: 'string', default: 'wpk-fork' } },
});
const MODES = ['same', 'fresh', 'twin', 'refused'];
const TIMEOUT_MS = 1_800_000; // clang with a resume module, which each fresh instance needs anew

let failed = 0;
const report = (name, problem, note = '') => {
  if (problem) failed++;
  console.log(`${problem ? 'FAIL' : 'ok  '} ${name}${note && `: ${note}`}`);
  if (problem) console.log(problem.split('\n').slice(0, 30).map((line) => `     ${line.slice(0, 200)}`).join('\n'));
};

/** Runs a workload on `file` and its resume module, if it has one; returns output, status and counts. */
const run = (workload, file, mode, resumes) => {
  const stats = path.join(options.work, 'stats.json');
  fs.rmSync(stats, { force: true });
  const request = JSON.stringify({ ...workload, file, mode, stats, resumes });
  const stdin = fs.openSync(workload.stdin ?? '/dev/null');
  const started = Date.now();
  const workloads = path.join(import.meta.dirname, '../../workloads');
  const { entries, command, through } = workload;
  // What comes with JavaScript is driven by it.
  const node = command
    ? ['--import', path.join(workloads, 'storm-js.mjs'), ...command(file)]
    : [path.join(workloads, 'wasi.mjs'), request];
  const result = spawnSync(process.execPath, node, {
    env: { ...process.env, STORM: JSON.stringify({ entries, through, mode, stats }) },
    stdio: [stdin, 'pipe', 'pipe'],
    maxBuffer: 1 << 28,
    timeout: TIMEOUT_MS,
    killSignal: 'SIGKILL',
  });
  fs.closeSync(stdin);
  const counts = fs.existsSync(stats) ? JSON.parse(fs.readFileSync(stats, 'utf8')) : null;
  return { ...result, counts, seconds: (Date.now() - started) / 1000 };
};

/** The tool's flags for a CPU profile of the workload itself. */
const profiled = (workload, file) => {
  const profile = path.join(options.work, 'work.cpuprofile');
  const stats = path.join(options.work, 'stats.json');
  const wasi = path.join(import.meta.dirname, '../../workloads/wasi.mjs');
  const request = JSON.stringify({ ...workload, file, mode: 'off', stats });
  const stdin = fs.openSync(workload.stdin ?? '/dev/null');
  const recorded = spawnSync(path.join(scripts, 'profile'), ['-o', profile, wasi, request], { stdio: [stdin, 'pipe', 'pipe'] });
  fs.closeSync(stdin);
  if (recorded.status !== (workload.status ?? 0)) throw new Error(`profile: status ${recorded.status}\n${recorded.stderr}`);
  return ['--cpu-profile', profile];
};

/** What is wrong with `result`, given the original's. */
const judge = (workload, result, original, mode) => {
  const problems = [];
  if (result.error) problems.push(String(result.error));
  if (result.status !== original.status) problems.push(`status ${result.status}, not ${original.status}`);
  if (!result.stdout.equals(original.stdout)) problems.push('standard output differs');
  if (!result.stderr.equals(original.stderr)) problems.push(`standard error differs:\n${result.stderr}`);
  const { counts } = result;
  if (!counts) problems.push('no counts');
  else {
    if (counts.calls !== original.counts.calls) problems.push(`${counts.calls} calls of the entry, not ${original.counts.calls}`);
    if (counts.unwinds + counts.refused !== counts.calls && !workload.some) problems.push('not every call was unwound');
    if (mode === 'twin' && counts.twins === 0) problems.push('there was no twin');
    if (mode === 'refused' ? !counts.refused : !counts.unwinds) problems.push('nothing was unwound');
  }
  return problems.join('\n');
};

const modes = ({ command, twin }) => (options.abi === 'asyncify' ? ['same'] : command ? ['same', ...(twin ? ['twin'] : [])] : MODES);

/** What is counted besides where JavaScript drives. */
const ofJavaScript = ({ twins, between, left }) => {
  if (between === undefined) return [];
  return [`${twins} twins`, `${between} with JavaScript between the module's frames`, `${left} calls left alone`];
};

for (const name of names) {
  const workload = workloads[name];
  const file = path.join(options.modules, `${workload.module ?? name}.wasm`);
  const original = run(workload, file, 'off');
  if (original.status === 70 || !original.counts?.calls) {
    report(`${name} original`, `the original does not run\n${original.stderr}`);
    continue;
  }
  const instrumented = path.join(options.work, 'instrumented.wasm');
  const entries = workload.entries.flatMap((entry) => ['--entry', entry]);
  // What JavaScript drives has its frames told apart by their modules: they are to be of one.
  const way = workload.command ? options.optimize.split('+')[0] : options.optimize;
  if (way === 'profiled' && workload.command) {
    console.log(`left out: ${name} ${way}: the package's JavaScript drives it`);
    continue;
  }
  const { flags, resumes } = way === 'profiled' ? { flags: profiled(workload, file) } : rewriting(way, instrumented);
  const ownFlags = [...(workload.flags ?? [])];
  // There a host that lets references go would let go all; this one rewinds each stack once.
  if (options.abi === 'asyncify' && ownFlags.includes('--same-instance')) ownFlags.push('--rewind-once');
  const own = [...entries, ...flags, ...ownFlags, '--abi', options.abi];
  const tool = spawnSync(options.tool, ['instrument', file, '-o', instrumented, ...own], { encoding: 'utf8' });
  if (tool.status !== 0) {
    report(name, `wasm-fork: status ${tool.status}\n${tool.error ?? tool.stderr}`);
    continue;
  }
  for (const mode of modes(workload)) {
    const result = run(workload, instrumented, mode, resumes);
    const { unwinds, rewinds, refused, deepest } = result.counts ?? {};
    const among = `${unwinds} unwinds, ${rewinds} rewinds, ${refused} refused`;
    const note = [among, ...ofJavaScript(result.counts ?? {}), `up to ${deepest} bytes`, `${result.seconds.toFixed(1)} s`].join(', ');
    report(`${name} ${way} ${mode}`, judge(workload, result, original, mode), note);
  }
}
console.log(failed ? `${failed} failed` : 'all passed');
if (failed || !names.length) process.exitCode = 1;
