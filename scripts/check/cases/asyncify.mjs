// The cases of scripts/check/asyncify: small modules under the npm package asyncify-wasm, and by the protocol itself.
//
//   node asyncify.mjs --tool WASM_FORK --work DIR --optimize WAY --package FILE --wasm-opt FILE
//
// What Binaryen's pass can do is tried with it too, and with wasm-fork in its place on wasm-opt's command line. The package puts its buffer at address 16, with 1,000 bytes for frames, and sets it up once.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { finish, report } from './common.mjs';

const { values: options } = parseArgs({
  options: { tool: { type: 'string' }, work: { type: 'string' }, optimize: { type: 'string' }, package: { type: 'string' }, 'wasm-opt': { type: 'string' } },
});
const Asyncify = await import(pathToFileURL(options.package));

const run = (program, args, env = {}) => {
  const done = spawnSync(program, args, { encoding: 'utf8', env: { ...process.env, ...env } });
  assert.equal(done.status, 0, done.stderr || String(done.error));
};

const WASM_OPT = `${process.execPath} ${options['wasm-opt']}`;
const PASSES = ['-O1', '--asyncify', '--pass-arg=asyncify-imports@env.get,env.none', '-O2', '--enable-mutable-globals', '--enable-multivalue', '--enable-bulk-memory'];

/** Ways to make a module that speaks the protocol; some take more of their flags. */
const makers = {
  instrument: (source, output, more = []) => {
    const flags = ['--entry', 'env.get', '--abi', 'asyncify', '--optimize', options.optimize, '--verify'];
    run(options.tool, ['instrument', '-q', source, '-o', output, ...flags, ...more]);
  },
  'in place of the pass': (source, output, more = []) => {
    // One of the names means nothing here.
    const env = { WASM_OPT, WASM_FORK_FLAGS: `-q --lenient --optimize ${options.optimize}` };
    run(options.tool, ['wasm-opt', ...PASSES, ...more, source, '-o', output], env);
  },
  'Binaryen’s pass': (source, output, more = []) => run(process.execPath, [options['wasm-opt'], ...PASSES, ...more, source, '-o', output]),
};
let make = makers.instrument;

/** `text` with the entry env.get, as an instance of the package. */
const instantiate = async (text, imports) => {
  const [source, output] = ['module.wat', 'module.wasm'].map((file) => path.join(options.work, file));
  fs.writeFileSync(source, text);
  make(source, output);
  const { instance } = await Asyncify.instantiate(fs.readFileSync(output), imports);
  return instance;
};

/** Runs `sum(6)` of a module, with a pause at each call of env.get, by the protocol itself; `frames` is the memory's name with the buffer. */
const drive = (text, more, { wide = false, frames = 'memory', resumes } = {}) => {
  const [source, output] = ['module.wat', 'module.wasm'].map((file) => path.join(options.work, file));
  fs.writeFileSync(source, text);
  make(source, output, more);
  const header = wide ? 16n : 16;
  let pauses = 0;
  const get = (n) => {
    if (exports.asyncify_get_state() === 2) {
      exports.asyncify_stop_rewind();
      return 10 * n;
    }
    const view = new DataView(exports[frames].buffer);
    const set = (at, value) => (wide ? view.setBigUint64(at, BigInt(value), true) : view.setUint32(at, value, true));
    set(16, 64);
    set(wide ? 24 : 20, 4096);
    exports.asyncify_start_unwind(header);
    pauses++;
    return 0;
  };
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(fs.readFileSync(output)), { env: { get, now: () => 7 } });
  if (resumes) new WebAssembly.Instance(new WebAssembly.Module(fs.readFileSync(resumes)), { wpk_fork: exports });
  let sum = exports.sum(6);
  while (exports.asyncify_get_state() === 1) {
    exports.asyncify_stop_unwind();
    exports.asyncify_start_rewind(header);
    sum = exports.sum(0);
  }
  assert.deepEqual([sum, pauses], [7 + 10 * 21, 6]);
  return exports;
};

const later = (value) => new Promise((resolve) => setTimeout(resolve, 1, value));

const RECURSIVE = `(module
  (import "env" "get" (func $get (param i32) (result i32)))
  (import "env" "now" (func $now (result i32)))
  (memory (export "memory") 1)
  (type $unary (func (param i32) (result i32)))
  (table 2 funcref)
  (elem (i32.const 0) $get $sum)
  (global $calls (mut i32) (i32.const 0))
  (func $sum (param $n i32) (result i32)
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (if (result i32) (local.get $n)
      (then (i32.add
        (call $get (local.get $n))
        (call_indirect (type $unary) (i32.sub (local.get $n) (i32.const 1)) (i32.const 1))))
      (else (call $now))))
  (func (export "sum") (param i32) (result i32) (call $sum (local.get 0)))
  (func (export "one") (param f64) (result f64)
    (f64.add (local.get 0) (f64.convert_i32_s (call $get (i32.const 20)))))
  (func (export "calls") (result i32) (global.get $calls)))`;

// What Binaryen's pass can't rewrite.
const CATCHING = `(module
  (import "env" "get" (func $get (param i32) (result i32)))
  (memory (export "memory") 1)
  (tag $e (param i32))
  (func $fails (param i32) (result i32) (throw $e (call $get (local.get 0))))
  (func (export "caught") (param i32) (result i32) (local $kept i32)
    (block $handler (result i32)
      (try_table (result i32) (catch $e $handler) (call $fails (local.get 0))))
    (local.set $kept)
    (i32.add (local.get $kept) (call $get (i32.const 1000)))))`;

const TAILS = `(module
  (import "env" "get" (func $get (param i32) (result i32)))
  (memory (export "memory") 1)
  (func $even (param i32 i32) (result i32)
    (if (i32.eqz (local.get 0)) (then (return_call $last (local.get 1))))
    (return_call $odd (i32.sub (local.get 0) (i32.const 1)) (i32.add (local.get 1) (i32.const 1))))
  (func $odd (param i32 i32) (result i32)
    (return_call $even (i32.sub (local.get 0) (i32.const 1)) (i32.add (local.get 1) (i32.const 1))))
  (func $last (param i32) (result i32) (i32.add (local.get 0) (call $get (i32.const 3))))
  (func (export "count") (param i32) (result i32) (call $even (local.get 0) (i32.const 0))))`;

/** What Binaryen's pass can do, too, under the package. */
const cases = {
  'promises below recursion and indirect calls': async () => {
    const asked = [];
    const get = (n) => (asked.push(n), later(10 * n));
    const { exports } = await instantiate(RECURSIVE, { env: { get, now: () => 7 } });
    assert.equal(await exports.sum(6), 7 + 10 * 21);
    assert.deepEqual(asked, [6, 5, 4, 3, 2, 1], 'each is asked for once');
    assert.equal(await exports.calls(), 7, 'nothing ran twice');
  },
  'results that are there already, and others, in turn': async () => {
    const get = (n) => (n % 2 ? later(n) : n);
    const { exports } = await instantiate(RECURSIVE, { env: { get, now: () => 0 } });
    for (let i = 0; i < 50; i++) assert.equal(await exports.sum(5), 15);
    assert.equal(await exports.one(0.25), 20.25);
  },
  'an export is called again only when the other has ended': async () => {
    const { exports } = await instantiate(RECURSIVE, { env: { get: later, now: () => 0 } });
    const first = exports.sum(3);
    assert.equal(await exports.calls(), 1, 'what calls no entry runs meanwhile');
    assert.equal(await first, 6);
  },
  'an error of the import is the export’s, and the instance goes on': async () => {
    let fails = true;
    const get = async (n) => {
      if (fails) throw new Error('offline');
      return n;
    };
    const { exports } = await instantiate(RECURSIVE, { env: { get, now: () => 0 } });
    await assert.rejects(() => exports.sum(2), /offline/);
    fails = false;
    assert.equal(await exports.sum(2), 3);
    const thrown = await instantiate(RECURSIVE, { env: { get: () => { throw new RangeError('at once'); }, now: () => 0 } });
    await assert.rejects(() => thrown.exports.sum(2), RangeError);
  },
};

const WIDE = RECURSIVE.replace('(memory (export "memory") 1)', '(memory (export "memory") i64 1)');

/** What the package doesn't drive, and Binaryen's pass can do, too. */
const wideCases = {
  'a 64-bit memory': () => drive(WIDE, make === makers.instrument ? [] : ['--enable-memory64'], { wide: true }),
};

/** What Binaryen keeps for the module itself: no host sees its memory. */
const asideCases = {
  'frames in a memory of their own': () => {
    const words = ['--pass-arg=asyncify-in-secondary-memory', '--pass-arg=asyncify-secondary-memory-size@3', '--enable-multimemory'];
    const flags = ['--own-memory', '--own-memory-pages', '3'];
    const { asyncify_memory: memory } = drive(RECURSIVE, make === makers.instrument ? flags : words, { frames: 'asyncify_memory' });
    assert.equal(memory.buffer.byteLength, 3 * 65536);
  },
};

/** With `size` nothing is apart. */
const apartCases = {
  'resume functions in a module of their own': () => {
    const resumes = path.join(options.work, 'resumes.wasm');
    drive(RECURSIVE, ['--resume-module', resumes], { resumes });
  },
};

const ownCases = {
  'exceptions are caught before and after a pause': async () => {
    const { exports } = await instantiate(CATCHING, { env: { get: later } });
    assert.equal(await exports.caught(5), 1005);
  },
  'a pause below tail calls, a hundred thousand of them': async () => {
    const { exports } = await instantiate(TAILS, { env: { get: later } });
    assert.equal(await exports.count(100_000), 100_003);
  },
  'a thousand bytes hold as many frames as they do, and one more traps': async () => {
    const { exports } = await instantiate(RECURSIVE, { env: { get: (n) => (n === 1 ? later(n) : n), now: () => 0 } });
    let depth = 1;
    for (; depth < 1000; depth++) {
      try {
        await exports.sum(depth);
      } catch (error) {
        assert(error instanceof WebAssembly.RuntimeError, String(error));
        break;
      }
    }
    assert(depth > 25 && depth < 1000, `it trapped at a depth of ${depth}`);
  },
};

const both = { ...cases, ...wideCases };
const sets = {
  instrument: { ...both, ...asideCases, ...ownCases, ...(options.optimize !== 'size' && apartCases) },
  'in place of the pass': { ...both, ...asideCases },
  'Binaryen’s pass': both,
};
for (const [way, maker] of Object.entries(makers)) {
  make = maker;
  for (const [name, work] of Object.entries(sets[way])) {
    let problem;
    try {
      await work();
    } catch (error) {
      problem = String(error.stack ?? error);
    }
    report(`${way} ${options.optimize}: ${name}`, problem);
  }
}
finish();
