// What each real module runs: small, deterministic, and through as much of the module as a few lines can.
//
//   entry  the import at which the storm unwinds; `entries` in place of it are united
//   dirs   guest folder → host folder; in/ is this folder's
//   stubs  imports that are no WASI get a stub which fails with ENOSYS
//   command  (file) → what Node is to run with the module `file`, for those that come with JavaScript
//   some   some calls of the entry have JavaScript below them on the stack, and are called as they are
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
  'php84-node-jspi': { entries: [FD_WRITE, 'env.js_getpid'], command: PHP, some: true, large: true },
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
