// The programs that are timed: each takes a build of its module, compiles it once, and gives a function that does the work from the
// start in a new instance, and resolves to what it prints.
import fs from 'node:fs';
import { WASI } from 'node:wasi';
import { Kernel } from '../../host/kernel.mjs';
import { trap } from '../../host/leave.mjs';
import { GuestMemory } from '../../host/memory.mjs';

const isInstrumented = (module) => WebAssembly.Module.exports(module).some(({ name }) => name === 'wpk_fork_state');

/** A shell, under the kernel; `input` is its script, and `plain` another one for the original where that would have to fork. */
async function shell(file, { input, plain }) {
  const { fs: files } = new Kernel();
  const name = file.includes('bash') ? 'bash' : 'dash';
  const bytes = new Uint8Array(fs.readFileSync(file));
  const forks = isInstrumented(new WebAssembly.Module(bytes));
  files.writeFile(`/bin/${name}`, bytes);
  files.writeFile('/work', new TextEncoder().encode(forks ? input : (plain ?? input)));
  return async () => {
    const kernel = new Kernel();
    // With the module that is compiled.
    kernel.fs = files;
    const { stdout, stderr, status, crashes } = await kernel.run(`/bin/${name}`, [name, '/work']);
    if (status || stderr || crashes.length) throw new Error(`${file}: status ${status}, ${stderr} ${crashes}`);
    return stdout;
  };
}

/** A WASI command. With `forks`, its first write comes back by an unwind and a rewind. */
async function wasi(file, { args, dirs, env = {}, forks }) {
  const module = new WebAssembly.Module(fs.readFileSync(file));
  return async () => {
    const wasi = new WASI({ version: 'preview1', args, env, preopens: dirs });
    let memory, exports, printed = '', left;
    let pending = Boolean(forks);
    const write = (fd, vectors, count, written) => {
      if (pending && exports.wpk_fork_state) {
        if (exports.wpk_fork_state() === 0) {
          const at = memory.allocate(1 << 20);
          pending = at;
          memory.view.setUint32(at + 4, at + (1 << 20), true);
          exports.wpk_fork_unwind_begin(at);
          return 0;
        }
        exports.wpk_fork_rewind_end();
        pending = false;
      }
      const { view } = memory;
      let size = 0;
      for (let i = 0; i < count; i++) {
        const [at, length] = [view.getUint32(vectors + 8 * i, true), view.getUint32(vectors + 8 * i + 4, true)];
        printed += Buffer.from(view.buffer, at, length).toString();
        size += length;
      }
      view.setUint32(written, size, true);
      return 0;
    };
    const imports = {};
    for (const { module: from, name } of WebAssembly.Module.imports(module))
      (imports[from] ??= {})[name] = wasi.wasiImport[name] ?? (() => 52);
    imports.wasi_snapshot_preview1.fd_write = write;
    imports.wasi_snapshot_preview1.proc_exit = (status) => ((left = { status }), trap());
    const instance = new WebAssembly.Instance(module, imports);
    ({ exports } = instance);
    memory = new GuestMemory(exports.memory);
    // What `start` does before it calls `_start`, which it does once only.
    wasi.finalizeBindings(instance);
    const start = () => {
      try {
        exports._start();
      } catch (error) {
        if (left?.status !== 0) throw error;
      }
    };
    start();
    if (exports.wpk_fork_state?.() === 1) {
      exports.wpk_fork_unwind_end();
      exports.wpk_fork_resume_begin(pending);
      start();
    }
    return printed;
  };
}

/** sql.js; `input` is an SQL script, `glue` its JavaScript. */
async function sqljs(file, { input, glue, require }) {
  const module = new WebAssembly.Module(fs.readFileSync(file));
  return async () => {
    // It keeps the first instance that it makes, whatever module another one is asked of.
    delete require.cache[require.resolve(glue)];
    const init = require(glue);
    const instantiateWasm = (imports, receive) => receive(new WebAssembly.Instance(module, imports), module) ?? {};
    const sql = await init({ instantiateWasm });
    const results = new sql.Database().exec(input);
    return results.flatMap(({ values }) => values.map((row) => row.join('|'))).join('\n');
  };
}

/** wasmoon; `input` is a Lua script, `glue` its JavaScript. */
async function lua(file, { input, glue, require }) {
  const { LuaFactory } = require(glue);
  const factory = new LuaFactory(file);
  return async () => {
    const engine = await factory.createEngine();
    try {
      return String(await engine.doString(input));
    } finally {
      engine.global.close();
    }
  };
}

export const programs = { dash: shell, bash: shell, wasi, sqljs, 'wasmoon-lua54': lua };
