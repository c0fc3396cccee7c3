// What each real module runs: small, deterministic, and through as much of the module as a few lines can.
//
//   entry  the import at which the storm unwinds; `entries` in place of it are united
//   dirs   guest folder → host folder; in/ is this folder's
//   stubs  imports that are no WASI get a stub which fails with ENOSYS
//   command  (file) → what Node is to run with the module `file`, for those that come with JavaScript
//   some   some calls of the entry have something below them on the stack that can't be called again, and are called as they are
//   flags  what the tool is given besides
//   through  functions of other modules call the module's through its table
//   twin   of those that come with JavaScript: twins of its instance can be made
import os from 'node:os';
import path from 'node:path';

const inputs = path.join(import.meta.dirname, 'in');
const cache =
  process.env.WASM_FORK_CACHE || path.join(process.env.XDG_CACHE_HOME || path.join(os.homedir(), '.cache'), 'wasm-fork');
const packages = path.join(cache, 'corpus', 'pk');

/** A module that JavaScript drives: `name` of drivers/, with the package's glue. */
export const driver = (name, glue, script, flags = []) => {
  return (file) => [path.join(import.meta.dirname, 'drivers', name), ...flags, path.join(packages, glue), file, script];
};
export const PHP = driver('php.mjs', 'php-wasm-node-8-4-3.1.54/jspi/php_8_4.js', path.join(inputs, 't.php'));
const PYODIDE = driver('pyodide.mjs', 'pyodide-314.0.7', path.join(inputs, 'pyodide.py'));
const DUCKDB = driver('duckdb.mjs', 'duckdb-wasm-1.32.0/dist/duckdb-node-blocking.cjs', path.join(inputs, 'duckdb.sql'));
const VIPS = driver('vips.mjs', 'wasm-vips-0.0.19/lib/vips-node.mjs', '');
const FD_WRITE = 'wasi_snapshot_preview1.fd_write';

export const workloads = {
  'agentos-bash': { entries: [FD_WRITE], argv0: 'bash', args: ['/in/t.sh'], dirs: { '/in': inputs }, stubs: true },
  'runno-quickjs': { entries: [FD_WRITE], argv0: 'qjs', args: ['/in/t.js'], dirs: { '/in': inputs }, stubs: true },
  'runno-sqlite': { entries: ['wasi_unstable.fd_write'], argv0: 'sqlite', dirs: { '/': inputs }, env: { A: 'b' }, stdin: path.join(inputs, 't.sql') },
  'python312-wasi': {
    entries: [FD_WRITE],
    argv0: 'python',
    args: ['/in/t.py'],
    dirs: { '/in': inputs },
    env: { PYTHONHASHSEED: '0' },
  },
  // The deepest stacks of the four: imports of modules, 124 frames.
  'python312-wasi stat': {
    module: 'python312-wasi',
    entries: ['wasi_snapshot_preview1.path_filestat_get', 'wasi_snapshot_preview1.fd_read'],
    argv0: 'python',
    args: ['/in/t.py'],
    dirs: { '/in': inputs },
    env: { PYTHONHASHSEED: '0' },
  },
  // C and C++ with legacy exceptions, under Emscripten's JavaScript; some calls come from there.
  'php84-node-jspi': {
    entries: [FD_WRITE, 'env.js_getpid'],
    command: PHP,
    // Its table is imported, and no other module's functions are in it: without saying so, guards of calls through it could only trap.
    flags: ['--assume-table-own', '0'],
    some: true,
    large: true,
  },
  // Two whose exports have other names than their sources.
  sqljs: { entries: ['a.b'], command: driver('sqljs.mjs', 'sql.js-1.16.0/dist/sql-wasm.js', path.join(inputs, 't.sql')), flags: ['--own-memory'] },
  'quickjs-em': { entries: ['a.s'], command: driver('quickjs.mjs', 'quickjs', path.join(inputs, 't.js')), flags: ['--own-memory'] },
  // Python under JavaScript that it calls, and that calls it: legacy exceptions, references that are kept. Python's own trampoline, a
  // module that JavaScript makes, stands between its functions.
  pyodide: {
    entries: [
      FD_WRITE,
      'wasi_snapshot_preview1.fd_read',
      'env.JsvFunction_CallBound',
      'env.JsvObject_CallMethod_OneArg',
      'env.JsProxy_GetAttr_js',
      'env.JsvNoValue_Check',
      'env.js2python_js',
    ],
    command: PYODIDE,
    flags: ['--same-instance', '--through-table', '0'],
    through: true,
    large: true,
  },
  // Large C++ with legacy exceptions. Of vips some entries are called by `malloc`; how often it looks at the clock depends on its threads.
  'duckdb-eh': {
    entries: [
      'wasi_snapshot_preview1.random_get',
      'env.emscripten_date_now',
      'env._emscripten_memcpy_js',
      ...['glob', 'file_open', 'file_read', 'file_close', 'get_default_data_protocol'].map((name) => `env.duckdb_web_fs_${name}`),
    ],
    command: DUCKDB,
    twin: true,
    large: true,
  },
  vips: {
    entries: [
      'wasi_snapshot_preview1.fd_read',
      'env.__syscall_faccessat',
      'env.__throw_exception_with_stack_trace',
      ...['invoke', 'decref', 'get_property'].map((name) => `env._emval_${name}`),
    ],
    command: VIPS,
    flags: ['--own-memory'],
    twin: true,
    large: true,
  },
  // Large: not among those that run without being named.
  'clang-yowasp': {
    entries: [FD_WRITE],
    argv0: 'clang',
    args: ['--target=wasm32-wasi', '-ffreestanding', '-nostdinc', '-O2', '-S', '-o', '-', '/in/f.c'],
    dirs: { '/in': inputs },
    large: true,
  },
  // Exceptions of the new encoding: its way out by one, and its help, with more calls.
  'nextpnr-ice40': { entries: [FD_WRITE], argv0: 'nextpnr-ice40', args: ['--json', '/in/none'], dirs: { '/in': inputs } },
  'nextpnr-ice40 help': { module: 'nextpnr-ice40', entries: [FD_WRITE], argv0: 'nextpnr-ice40', args: ['--help'], large: true },
  'yosys-yowasp': {
    entries: [FD_WRITE],
    argv0: 'yosys',
    args: ['-q', '-p', 'read_verilog /in/t.v; proc; opt; write_verilog'],
    dirs: { '/in': inputs },
    large: true,
  },
  'yosys-yowasp error': {
    module: 'yosys-yowasp',
    entries: [FD_WRITE],
    argv0: 'yosys',
    args: ['-q', '-p', 'read_verilog /in/none.v'],
    dirs: { '/in': inputs },
    status: 1,
    large: true,
  },
};
