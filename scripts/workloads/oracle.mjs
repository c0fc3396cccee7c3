// What each real module runs while its stacks are recorded: small, deterministic, most of them as in storm.mjs.
//
//   module     the module's name, where it isn't the workload's
//   program    in place of it: a program of programs/, which must be instrumented to run
//   entries    the imports whose calls are recorded
//   request    (work) → of WASI commands, what wasi.mjs takes
//   command    (file, work) → what Node is to run with the module `file`
//   status     what it exits with, if not with 0
//   foreign    it breaks the assumption that functions of other instances do not lead to an entry
//   large      not among those that run without being named
import os from 'node:os';
import path from 'node:path';
import { driver, PHP, workloads as storms } from './storm.mjs';

const scripts = path.dirname(import.meta.dirname);
const cache =
  process.env.WASM_FORK_CACHE || path.join(process.env.XDG_CACHE_HOME || path.join(os.homedir(), '.cache'), 'wasm-fork');
const inputs = path.join(import.meta.dirname, 'in');
const FD_WRITE = 'wasi_snapshot_preview1.fd_write';
const FORK = 'kernel.kernel_fork';

/** A WASI command; `request` as wasi.mjs takes it. */
const wasi = ({ large, ...request }) => {
  const whole = (work) => ({ dirs: { '/in': inputs, '.': work, '/tmp': work }, ...request });
  const command = (file, work) =>
    [path.join(import.meta.dirname, 'wasi.mjs'), JSON.stringify({ ...whole(work), file, mode: 'off', stats: os.devNull })];
  return { ...request, large, request: whole, command };
};

const SQLJS = 'sql.js-1.16.0/dist/sql-wasm.js';
const LUA = driver('lua.mjs', 'wasmoon-1.16.0/dist/index.js', path.join(inputs, 't.lua'));

const shell = (program, script) => ({
  program,
  entries: [FORK],
  command: (file) => {
    const text = path.join(scripts, 'programs', 'shell', script);
    const run = path.join(scripts, 'host', 'run.mjs');
    const cat = path.join(cache, 'programs', 'out', 'cat.wasm');
    return [run, '--exec', `/bin/${program}`, '--fs', `${cat}=/bin/cat`, '--fs', `${text}=/t.sh`, file, '/t.sh'];
  },
});

export const workloads = {
  ...Object.fromEntries(Object.entries(storms).filter(([, { command }]) => !command).map(([name, storm]) => [name, wasi(storm)])),
  'runno-php-cgi': wasi({ entries: [FD_WRITE], argv0: 'php-cgi', args: ['-q', '-f', '/in/t.php'] }),
  sqljs: { entries: ['a.b'], command: driver('sqljs.mjs', SQLJS, path.join(inputs, 't.sql')) },
  'sqljs nested': {
    module: 'sqljs',
    entries: ['a.d'], // the clock
    command: driver('sqljs.mjs', SQLJS, path.join(inputs, 't.sql'), ['--nested']),
    foreign: true,
  },
  'wasmoon-lua54': { entries: ['env.invoke_vii'], command: LUA },
  'wasmoon-lua54 throw': { module: 'wasmoon-lua54', entries: ['env._emscripten_throw_longjmp'], command: LUA },
  'quickjs-em': { entries: ['a.s'], command: driver('quickjs.mjs', 'quickjs', path.join(inputs, 't.js')) },
  'php84-node-jspi': { entries: ['env.js_getpid'], command: PHP },
  'php84-node-jspi write': { module: 'php84-node-jspi', entries: [FD_WRITE], command: PHP },
  dash: shell('dash', 'nested.sh'),
  bash: { ...shell('bash', 'nested.sh'), large: true },
  'pandoc-ghc': wasi({
    entries: ['wasi_snapshot_preview1.clock_time_get'],
    argv0: 'pandoc',
    args: ['+RTS', '-H64m', '-RTS', '-f', 'markdown', '-t', 'latex', '/in/t.md'],
    env: { HOME: '/tmp' },
    stubs: true,
    large: true,
  }),
  // It has no chip's data here: this is its way out by an exception.
  'nextpnr-ice40': {
    ...wasi({ entries: [FD_WRITE], argv0: 'nextpnr-ice40', args: ['--json', '/in/none'], large: true }),
    status: 125,
  },
};
