// The cases of scripts/check/asyncify in which modules drive the protocol themselves, and in which modules share their state.
//
//   node driven.mjs --tool WASM_FORK --work DIR --optimize WAY --wasm-opt FILE --sources DIR
//
// Each is made by `instrument`, by `wasm-fork wasm-opt` in place of Binaryen's pass, and by that pass, and has to log the same.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { finish, report } from './common.mjs';

const { values: options } = parseArgs({
  options: { tool: { type: 'string' }, work: { type: 'string' }, optimize: { type: 'string' }, 'wasm-opt': { type: 'string' }, sources: { type: 'string' } },
});

const run = (program, args, env = {}) => {
  const done = spawnSync(program, args, { encoding: 'utf8', env: { ...process.env, ...env } });
  assert.equal(done.status, 0, done.stderr || String(done.error));
};
const WASM_OPT = `${process.execPath} ${options['wasm-opt']}`;
const FEATURES = ['--enable-mutable-globals', '--enable-multivalue', '--enable-bulk-memory', '--enable-reference-types', '--enable-memory64'];
const passes = (args) => ['--asyncify', ...args, '-O2', ...FEATURES];

/** Ways to make a module; `args` are what the pass is told. */
const makers = {
  instrument: (source, output, args, flags) => {
    run(options.tool, ['instrument', '-q', source, '-o', output, '--abi', 'asyncify', '--optimize', options.optimize, '--verify', ...flags]);
    run(options.tool, ['verify', '-q', source, output, '--abi', 'asyncify', ...flags]);
  },
  'in place of the pass': (source, output, args) => {
    const more = process.env.WASM_FORK_MORE ?? '';
    const env = { WASM_OPT, WASM_FORK_FLAGS: `-q --optimize ${options.optimize} ${more}` };
    run(options.tool, ['wasm-opt', ...passes(args), source, '-o', output], env);
  },
  'Binaryen’s pass': (source, output, args) => run(process.execPath, [options['wasm-opt'], ...passes(args), source, '-o', output]),
};

const made = (way, name, text, args, flags) => {
  const [source, output] = ['wat', 'wasm'].map((ending) => path.join(options.work, `${name}.${ending}`));
  fs.writeFileSync(source, text);
  makers[way](source, output, args, flags);
  return new WebAssembly.Module(fs.readFileSync(output));
};

/** What a module that drives itself logs, run twice in one instance. */
const logged = (way, name, text, ...more) => {
  const module = made(way, name, text, ['--pass-arg=asyncify-ignore-imports', ...more], []);
  assert(!WebAssembly.Module.imports(module).some((entry) => entry.module === 'asyncify'), 'it imports the protocol still');
  const log = [];
  const env = { log: (n) => log.push(n), mark: (n) => log.push(`mark ${n}`), twice: (n) => 2 * n };
  const { exports } = new WebAssembly.Instance(module, { env });
  for (let i = 0; i < 2; i++) log.push(`result ${exports.run()}`, `state ${exports.asyncify_get_state()}`);
  return log.join('\n');
};

const ways = Object.keys(makers);
const check = (name, work) => {
  let problem;
  try {
    work();
  } catch (error) {
    problem = String(error.stack ?? error);
  }
  report(`${name} (${options.optimize})`, problem);
};

// Binaryen's pass knows no exceptions, and no calls of `get_state` in the module.
for (const [name, by] of [['scheduler', ways], ['setjmp', ways], ['generator', ['instrument']]]) {
  const text = fs.readFileSync(path.join(options.sources, `${name}.wat`), 'utf8');
  const expected = fs.readFileSync(path.join(options.sources, `${name}.expected`), 'utf8');
  for (const way of by) check(`${way}: ${name}`, () => assert.equal(`${logged(way, name, text)}\n`, expected));
}

const MAIN = `(module
  (type $f (func (param i32) (result i32)))
  (import "env" "sleep" (func $sleep (param i32) (result i32)))
  (memory (export "memory") 1)
  (table (export "table") 2 funcref)
  (func (export "leaf") (param i32) (result i32) (i32.add (local.get 0) (call $sleep (local.get 0))))
  (func (export "run") (param i32) (result i32) (local $kept i32)
    (local.set $kept (i32.mul (local.get 0) (i32.const 100)))
    (i32.add (local.get $kept) (call_indirect (type $f) (local.get 0) (i32.const 1)))))`;
const SIDE = `(module
  (import "env" "memory" (memory 1))
  (import "env" "table" (table 2 funcref))
  (import "env" "leaf" (func $leaf (param i32) (result i32)))
  (elem (i32.const 1) $middle)
  (func $middle (param i32) (result i32) (local $kept i32)
    (local.set $kept (i32.mul (local.get 0) (i32.const 7)))
    (i32.add (local.get $kept) (call $leaf (i32.add (local.get 0) (i32.const 1))))))`;
const HEADER = 64;

/** A stack through two modules that share the globals, paused three times. */
const shared = (main, side) => {
  let driver;
  const sleep = (n) => {
    assert.equal(n, 6);
    if (driver.asyncify_get_state() === 2) {
      driver.asyncify_stop_rewind();
      return 1000;
    }
    driver.asyncify_start_unwind(HEADER);
    return -1;
  };
  const first = new WebAssembly.Instance(main, { env: { sleep } }).exports;
  const second = new WebAssembly.Instance(side, { env: first }).exports;
  for (driver of [first, second, first]) {
    new Uint32Array(first.memory.buffer).set([4096, 8192], HEADER / 4);
    first.run(5);
    assert.equal(first.__asyncify_state.value, 1);
    assert.equal(first.__asyncify_data.value, HEADER);
    driver.asyncify_stop_unwind();
    driver.asyncify_start_rewind(HEADER);
    assert.equal(first.run(-1), 1541);
    assert.equal(new Uint32Array(first.memory.buffer)[HEADER / 4], 4096);
  }
};

// Each by each: frames of both tools may lie in one buffer.
for (const main of ways) {
  for (const side of ways) {
    check(`a stack through a module by ${main} and one by ${side}`, () => {
      const through = ['--entry', 'env.sleep', '--shared-state', 'export', '--through-table', 'table'];
      // Of a table that others write, wasm-opt's command line says nothing.
      if (main === 'in place of the pass') process.env.WASM_FORK_MORE = '--through-table table';
      const first = made(main, 'main', MAIN, ['--pass-arg=asyncify-export-globals', '--pass-arg=asyncify-imports@env.sleep'], through);
      delete process.env.WASM_FORK_MORE;
      const flags = ['--through', 'env.leaf', '--shared-state', 'import'];
      const second = made(side, 'side', SIDE, ['--pass-arg=asyncify-import-globals', '--pass-arg=asyncify-imports@env.leaf'], flags);
      shared(first, second);
    });
  }
}

// Tasks are called through a table, but by what ends unwinds: no frames are left out for that.
const scheduler = fs.readFileSync(path.join(options.sources, 'scheduler.wat'), 'utf8');
check('in place of the pass: scheduler, asyncify-ignore-indirect', () => {
  const expected = fs.readFileSync(path.join(options.sources, 'scheduler.expected'), 'utf8');
  assert.equal(`${logged('in place of the pass', 'scheduler', scheduler, '--pass-arg=asyncify-ignore-indirect')}\n`, expected);
});

// What a list leaves out by mistake stops at a guard, by name.
const lists = {
  'asyncify-onlylist@pause,counter,walker,nester': 'walk',
  'asyncify-removelist@wal*r': 'walker',
};
for (const [list, name] of Object.entries(lists)) {
  check(`${list}, wrongly: a trap`, () => {
    const [source, output] = ['wat', 'wasm'].map((ending) => path.join(options.work, `list.${ending}`));
    fs.writeFileSync(source, scheduler);
    const env = { WASM_OPT, WASM_FORK_FLAGS: `-q --optimize ${options.optimize}` };
    const args = ['--asyncify', '--pass-arg=asyncify-ignore-imports', '--pass-arg=asyncify-asserts', `--pass-arg=${list}`];
    run(options.tool, ['wasm-opt', ...args, source, '-o', output], env);
    const nothing = () => {};
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(fs.readFileSync(output)), {
      env: { log: nothing, mark: nothing, twice: (n) => 2 * n },
    });
    assert.throws(() => exports.run(), (error) => {
      assert(error instanceof WebAssembly.RuntimeError && error.stack.includes('unprepared_trap'), error.stack);
      assert(error.stack.includes(name), `${name} is not named in ${error.stack}`);
      return true;
    });
  });
}
finish();
