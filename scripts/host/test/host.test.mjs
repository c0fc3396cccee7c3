// The package's own tests: what an entry may ask for, under both protocols. WASM_FORK is the tool that instruments; BINARYEN, if it is
// there, is a wasm-opt that makes the same modules speak Asyncify's protocol.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { fork, ForkHost, GuestError, longjmp, pause, setjmp } from '../index.mjs';

const tool = process.env.WASM_FORK ?? 'wasm-fork';
const work = fs.mkdtempSync(path.join(os.tmpdir(), 'wasm-fork-host-'));
after(() => fs.rmSync(work, { recursive: true }));
let made = 0;

/** A module, instrumented at all imports of `env`. */
const instrumented = (text, ...flags) => {
  const [input, output] = ['wat', 'wasm'].map((end) => path.join(work, `${++made}.${end}`));
  fs.writeFileSync(input, text);
  execFileSync(tool, ['instrument', input, '-o', output, '--entry', 'env.*', '-q', ...flags]);
  return fs.readFileSync(output);
};

/** The same for Asyncify's protocol. */
const asyncified = (text) => {
  const [input, output] = ['wat', 'wasm'].map((end) => path.join(work, `${++made}.${end}`));
  fs.writeFileSync(input, text);
  execFileSync(process.env.BINARYEN, [input, '-o', output, '--asyncify', '--pass-arg=asyncify-imports@env.*', '--enable-mutable-globals', '--enable-multivalue']);
  return fs.readFileSync(output);
};

/** One test for each protocol that modules can be made for here. */
const protocols = (name, text, body, { only } = {}) => {
  test(`${name} (wpk-fork)`, () => body(instrumented(text)));
  if (process.env.BINARYEN && only !== 'wpk-fork') test(`${name} (Asyncify)`, () => body(asyncified(text)));
};

const ADDS = `(module
  (import "env" "ask" (func $ask (param i32) (result i32)))
  (import "env" "big" (func $big (result i64)))
  (memory (export "memory") 1)
  (global $calls (export "calls") (mut i32) (i32.const 0))
  (func (export "add") (param i32) (result i32)
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (i32.add (i32.mul (local.get 0) (i32.const 100)) (call $ask (local.get 0))))
  (func (export "big") (result i64) (i64.add (i64.const 1) (call $big)))
  (func (export "other") (result i32) (i32.const 7)))`;

protocols('an entry may wait for a promise, and other exports run meanwhile', ADDS, async (module) => {
  const imports = { env: { ask: async (n) => (await null, n + 1), big: async () => 41n } };
  const guest = new ForkHost(module, { entry: 'env.*', imports }).start();
  const sum = guest.call('add', 3);
  assert.equal(guest.exports.other(), 7);
  assert.equal(await sum, 304);
  assert.equal(guest.exports.calls.value, 1, 'the function ran once');
  assert.equal(await guest.call('big'), 42n);
});

protocols('what an entry answers at once unwinds nothing', ADDS, (module) => {
  const guest = new ForkHost(module, { entry: 'env.*', imports: { env: { ask: (n) => n, big: () => 0n } } }).start();
  assert.equal(guest.callNow('add', 2), 202);
});

protocols('a promise that fails is an exception in the entry', ADDS, async (module) => {
  const imports = { env: { ask: async () => { throw new Error('no answer'); }, big: () => 0n } };
  const guest = new ForkHost(module, { entry: 'env.*', imports }).start();
  await assert.rejects(guest.call('add', 1), /no answer/);
});

protocols('a call while another waits is refused', ADDS, async (module) => {
  let answer;
  const imports = { env: { ask: () => new Promise((resolve) => (answer = resolve)), big: () => 0n } };
  const guest = new ForkHost(module, { entry: 'env.*', imports }).start();
  const first = guest.call('add', 1);
  await assert.rejects(guest.call('add', 2), /add can't be called while add is on the stack or away/);
  answer(5);
  assert.equal(await first, 105);
  assert.throws(() => guest.callNow('add', 1), /has to wait/);
});

const FORKS = `(module
  (import "env" "fork" (func $fork (result i32)))
  (import "env" "memory" (memory 1))
  (import "env" "base" (global $base (mut i32)))
  (table (export "table") 4 funcref)
  (elem (i32.const 0) $one $two)
  (type $f (func (result i32)))
  (global $depth (mut i32) (i32.const 0))
  (func $one (result i32) (i32.const 1))
  (func $two (result i32) (i32.const 2))
  (func (export "run") (result i32)
    (local $pid i32)
    (global.set $depth (i32.const 5))
    (global.set $base (i32.const 1000))
    (table.set (i32.const 3) (table.get (i32.const 1)))
    (i32.store (i32.const 8) (i32.const 20))
    (local.set $pid (call $fork))
    (i32.add (i32.add (global.get $base) (local.get $pid))
      (i32.add (i32.add (i32.load (i32.const 8)) (global.get $depth))
        (call_indirect (type $f) (i32.const 3))))))`;

test('fork: the child has memory, globals, imported globals and tables', async () => {
  const ended = [];
  const imports = () => ({
    env: { fork, memory: new WebAssembly.Memory({ initial: 1 }), base: new WebAssembly.Global({ value: 'i32', mutable: true }, 0) },
  });
  const onExit = (guest, value) => ended.push([guest.pid, value]);
  const host = new ForkHost(instrumented(FORKS), { entry: 'env.fork', imports, onExit });
  assert.equal(await host.start().call('run'), 1000 + 2 + 20 + 5 + 2);
  await host.idle();
  assert.deepEqual(ended, [[2, 1000 + 0 + 20 + 5 + 2]]);
});

test('fork: a host may refuse it, and a child that fails is told of', async () => {
  const imports = () => ({
    env: { fork, memory: new WebAssembly.Memory({ initial: 1 }), base: new WebAssembly.Global({ value: 'i32', mutable: true }, 0) },
  });
  const module = instrumented(FORKS);
  const refusing = new ForkHost(module, { entry: 'env.fork', imports, onFork: () => false });
  assert.equal(await refusing.start().call('run'), 1000 - 11 + 20 + 5 + 2);
  const failing = new ForkHost(module, {
    entry: 'env.fork', imports, onFork: (parent, child) => child.exports.table.set(3, null),
  });
  await failing.start().call('run');
  await assert.rejects(failing.idle(), (error) => error instanceof GuestError && /run, process 2: /.test(error.message));
});

const DEEP = `(module
  (import "env" "ask" (func $ask (param i32) (result i32)))
  (memory (export "memory") 1)
  (func $deep (export "deep") (param i32) (result i32)
    (if (i32.eqz (local.get 0)) (then (return (call $ask (i32.const 1)))))
    (i32.add (local.get 0) (call $deep (i32.sub (local.get 0) (i32.const 1))))))`;

test('buffers grow by need, up to a limit', async () => {
  const module = instrumented(DEEP);
  const imports = { env: { ask: async (n) => n } };
  const sum = (n) => (n * (n + 1)) / 2 + 1;
  for (const room of [64, 100, 1000]) {
    const guest = new ForkHost(module, { entry: 'env.ask', imports, room }).start();
    assert.equal(await guest.call('deep', 500), sum(500), `${room} bytes`);
  }
  const refused = [];
  const onNoRoom = (guest, what) => (refused.push(what), -11);
  const limited = new ForkHost(module, { entry: 'env.ask', imports, room: 100, maxRoom: 400, onNoRoom }).start();
  assert.equal(await limited.call('deep', 500), sum(500) - 12);
  assert.deepEqual(refused, [{ entry: 'env.ask', room: 400 }]);
  const fixed = new ForkHost(module, { entry: 'env.ask', imports, room: 100, fixed: true }).start();
  assert.equal(await fixed.call('deep', 500), sum(500) - 12);
  assert.equal(await fixed.call('deep', 1), 2);
  const places = [];
  const place = (guest, size) => (places.push(size), 1024);
  assert.equal(await new ForkHost(module, { entry: 'env.ask', imports, place, room: 4096 }).start().call('deep', 9), sum(9));
  assert.deepEqual(places, [4096 + 64]);
});

test('addresses of 64 bits', async () => {
  const wide = DEEP.replace('1)\n  (func', 'i64 1)\n  (func').replace('"memory") i64 1', '"memory") i64 1');
  let guest;
  try {
    guest = new ForkHost(instrumented(wide), { entry: 'env.ask', imports: { env: { ask: async (n) => n } } }).start();
  } catch (error) {
    // An engine without memory64 says so when it compiles.
    assert.match(error.message, /memory|i64|limits/);
    return;
  }
  assert.equal(await guest.call('deep', 50), 50 * 51 / 2 + 1);
});

const FIBERS = `(module
  (import "env" "pause" (func $pause (param i32) (result i32)))
  (memory (export "memory") 1)
  (global $__stack_pointer (export "__stack_pointer") (mut i32) (i32.const 65536))
  (func $count (export "count") (param $from i32) (param $to i32) (result i32)
    (local $frame i32) (local $sum i32)
    ;; The running number is kept in the program's own stack.
    (local.set $frame (i32.sub (global.get $__stack_pointer) (i32.const 16)))
    (global.set $__stack_pointer (local.get $frame))
    (i32.store (local.get $frame) (local.get $from))
    (loop $next
      (local.set $sum (i32.add (local.get $sum) (call $pause (i32.load (local.get $frame)))))
      (i32.store (local.get $frame) (i32.add (i32.load (local.get $frame)) (i32.const 1)))
      (br_if $next (i32.le_s (i32.load (local.get $frame)) (local.get $to))))
    (global.set $__stack_pointer (i32.add (local.get $frame) (i32.const 16)))
    (local.get $sum)))`;

protocols('fibers take turns, each with a stack of its own', FIBERS, (module) => {
  const guest = new ForkHost(module, { entry: 'env.pause', imports: { env: { pause } } }).start();
  const [one, two] = [guest.fiber('count', [1, 3]), guest.fiber('count', [10, 12])];
  const seen = [];
  for (let i = 0, answer = 0; i < 4; i++) for (const fiber of [one, two]) seen.push(fiber.next(++answer));
  assert.deepEqual(seen.map(({ value }) => value), [1, 10, 2, 11, 3, 12, 3 + 5 + 7, 4 + 6 + 8]);
  assert.deepEqual(seen.map(({ done }) => done), [...Array(6).fill(false), true, true]);
  assert.deepEqual(one.next(), { done: true, value: undefined });
  assert.equal(guest.exports.__stack_pointer.value, 65536);
  assert.deepEqual([...guest.fiber('count', [4, 6])], [4, 5, 6]);
});

const JUMPS = `(module
  (import "env" "setjmp" (func $setjmp (param i32) (result i32)))
  (import "env" "longjmp" (func $longjmp (param i32 i32)))
  (memory (export "memory") 1)
  (func $inner (param i32) (call $longjmp (i32.const 1) (local.get 0)))
  (func (export "run") (result i32)
    (local $tries i32)
    (i32.store (i32.const 0) (i32.const 0))
    (local.set $tries (call $setjmp (i32.const 1)))
    (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 10)))
    (if (i32.lt_s (local.get $tries) (i32.const 3))
      (then (call $inner (i32.add (local.get $tries) (i32.const 1)))))
    (i32.add (local.get $tries) (i32.load (i32.const 0)))))`;

protocols('setjmp and longjmp', JUMPS, async (module) => {
  const guest = new ForkHost(module, { entry: ['env.setjmp', 'env.longjmp'], imports: { env: { setjmp, longjmp } } }).start();
  for (const _ of [1, 2]) assert.equal(await guest.call('run'), 3 + 40);
});

test('what was on the stack is recorded as a profile', async () => {
  const module = instrumented(DEEP);
  const host = new ForkHost(module, { entry: 'env.ask', imports: { env: { ask: async (n) => n } }, profile: true });
  await host.start().call('deep', 2);
  const { version, stacks, functions, module: digest } = await host.profile();
  assert.deepEqual({ version, stacks, functions }, { version: 1, stacks: 1, functions: [{ index: 1, name: 'deep', count: 1 }] });
  assert.match(digest, /^[0-9a-f]{64}$/);
  await assert.rejects(new ForkHost(module, { entry: 'env.ask', imports: { env: { ask: () => 0 } } }).profile(), /option `profile`/);
});

test('errors name the function, and what is missing', async () => {
  const module = instrumented(`(module (import "env" "ask" (func $ask)) (memory (export "memory") 1)
    (func $broken unreachable) (func (export "run") (call $ask) (call $broken)))`);
  const guest = new ForkHost(module, { entry: 'env.ask', imports: { env: { ask: async () => {} } } }).start();
  await assert.rejects(guest.call('run'), (error) => error.frames[0].name === 'broken' && /run, process 1: unreachable in broken/.test(error.message));
  assert.throws(() => new ForkHost(instrumented(ADDS), { entry: 'env.*' }).start(), /imports env.ask, and `imports` has nothing/);
  await assert.rejects(new ForkHost(module, { entry: 'env.ask' }).start().call('ran'), /exports no function `ran`/);
});

test('a module that is not instrumented runs as long as nothing is to be unwound', async () => {
  const [input, output] = ['plain.wat', 'plain.wasm'].map((name) => path.join(work, name));
  fs.writeFileSync(input, ADDS);
  execFileSync(tool, ['instrument', input, '-o', output, '--entry', 'no.such', '--allow-missing-entry', '-q']);
  let answer = 1;
  const guest = new ForkHost(fs.readFileSync(output), { entry: 'env.*', imports: { env: { ask: () => answer, big: () => 0n } } }).start();
  assert.equal(await guest.call('add', 1), 101);
  answer = Promise.resolve(1);
  await assert.rejects(guest.call('add', 1), /the module is not instrumented/);
});

// Each frame has a function that is its own, one of the host's things, and neither; so many that the tables grow.
const referencing = (type, cast, applied) => `(module
  (type $t (func (param i32) (result i32)))
  (import "env" "fork" (func $fork (result i32)))
  (import "env" "thing" (func $thing (param i32) (result externref)))
  (import "env" "number" (func $number (param externref) (result i32)))
  (import "env" "twice" (func $twice (param i32) (result i32)))
  (memory (export "memory") 1)
  (global $calls (mut i32) (i32.const 0))
  (table $hidden 3 funcref)
  (elem (table $hidden) (i32.const 0) func $plus $times $twice)
  (table $called 1 funcref)
  (func $plus (type $t) (global.set $calls (i32.add (global.get $calls) (i32.const 1))) (i32.add (local.get 0) (i32.const 1)))
  (func $times (export "times") (type $t) (i32.mul (local.get 0) (i32.const 3)))
  (func $down (param $n i32) (param $none funcref) (result i32)
    (local $f ${type}) (local $mine externref) (local $r i32)
    (if (i32.eqz (local.get $n)) (then (return (i32.add (i32.const 1000) (call $fork)))))
    (local.set $f ${cast} (table.get $hidden (i32.rem_u (local.get $n) (i32.const 3))))${cast && ')'}
    (local.set $mine (call $thing (local.get $n)))
    (local.set $r (call $down (i32.sub (local.get $n) (i32.const 1)) (local.get $none)))
    (i32.add
      (i32.add ${applied} (call $number (local.get $mine)))
      (i32.eqz (ref.is_null (local.get $none)))))
  (func $apply (param $f funcref) (param $x i32) (result i32)
    (table.set $called (i32.const 0) (local.get $f))
    (local.set $x (call_indirect $called (type $t) (local.get $x) (i32.const 0)))
    (table.set $called (i32.const 0) (ref.null func))
    (local.get $x))
  (func (export "run") (param $n i32) (result i32)
    (i32.add (call $down (local.get $n) (ref.null func)) (global.get $calls))))`;
const UNTYPED = referencing('funcref', '', '(call $apply (local.get $f) (local.get $r))');
const TYPED = referencing('(ref null $t)', '(ref.cast (ref null $t)', '(call_ref $t (local.get $r) (local.get $f))');

/** Whether this engine knows a type that is none of WebAssembly 2.0: that of a struct. */
const hasStructs = WebAssembly.validate(new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 3, 1, 0x5f, 0]));

const referenceImports = (guest) => ({
  env: { fork, thing: (n) => ({ n, pid: guest.pid }), number: ({ n }) => n, twice: (n) => 2 * n },
});

/** What `run` gives where the fork gives `pid`. */
const expectedOfReferences = (n, pid) => {
  let [value, calls] = [1000 + pid, 0];
  for (let i = 1; i <= n; i++) {
    value = [value + 1, value * 3, value * 2][i % 3] + i;
    calls += i % 3 === 0;
  }
  return value + calls;
};

const waysOfReferences = [[], ['--optimize', 'speed'], ['--optimize', 'speed', '--resume-module'], ['--abi', 'asyncify']];

/** The module in one of these ways, with what a host of it needs. */
const withReferences = (text, flags) => {
  const resumes = path.join(work, `${++made}.resume.wasm`);
  const own = flags.flatMap((flag) => (flag === '--resume-module' ? [flag, resumes] : flag));
  const module = instrumented(text, '--carry-references', ...own);
  return { module, resumes: flags.includes('--resume-module') ? fs.readFileSync(resumes) : undefined };
};

const casesOfReferences = waysOfReferences.flatMap((flags) => [[UNTYPED, flags], ...(hasStructs ? [[TYPED, flags]] : [])]);
for (const [given, flags] of casesOfReferences) {
  const way = `${given === TYPED ? 'typed' : 'funcref'} ${flags.join(' ')}`.trim();
  // The host of Asyncify's protocol brings no private globals over.
  const text = flags.includes('asyncify') ? given.replace('(global $calls', '(global $calls (export "calls")') : given;

  test(`fork: references of functions have counterparts, things of the host's are what they are (${way})`, async () => {
    const ended = [];
    const { module, resumes } = withReferences(text, flags);
    const onExit = (guest, value) => ended.push([guest.pid, value]);
    const host = new ForkHost(module, { entry: 'env.fork', imports: referenceImports, resumes, onExit });
    for (const n of [1, 2, 20]) {
      const guest = host.start();
      const pid = guest.pid + 1;
      assert.equal(await guest.call('run', n), expectedOfReferences(n, pid));
      await host.idle();
      assert.deepEqual(ended.pop(), [pid, expectedOfReferences(n, 0)]);
      // The functions of the child are its own: its parent's have not run in it, nor the child's in the parent.
      if (n === 20 && guest.exports.calls) assert.equal(guest.exports.calls.value, 6);
    }
  });

  test(`fork: the embedder says what stands for a thing of its own (${way})`, async () => {
    const { module, resumes } = withReferences(text, flags);
    const asked = [];
    const reference = (value, parent, child) => {
      asked.push([value.pid, parent.pid, child.pid]);
      return { n: value.n + 100, pid: child.pid };
    };
    const ended = [];
    const onExit = (_, value) => ended.push(value);
    const host = new ForkHost(module, { entry: 'env.fork', imports: referenceImports, resumes, reference, onExit });
    assert.equal(await host.start().call('run', 1), expectedOfReferences(1, 2));
    await host.idle();
    assert.deepEqual(asked, [[1, 1, 2]]);
    assert.deepEqual(ended, [expectedOfReferences(1, 0) + 100]);
  });
}

test('fork: a reference that has no counterpart is told of, and nothing is copied', async () => {
  const text = `(module
    (import "env" "fork" (func $fork (result i32)))
    (memory (export "memory") 1)
    (table (export "table") 1 funcref)
    (func $hold (param $f funcref) (result i32) (i32.add (call $fork) (ref.is_null (local.get $f))))
    (func (export "run") (result i32) (call $hold (table.get (i32.const 0)))))`;
  const module = instrumented(text, '--carry-references');
  // One that is exported as `g`, of a module without anything else.
  const bytes = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 7, 5, 1, 1, 0x67, 0, 0, 10, 4, 1, 2, 0, 0x0b];
  const stranger = () => new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(bytes))).exports.g;
  const start = (options) => {
    const host = new ForkHost(module, { entry: 'env.fork', imports: { env: { fork } }, ...options });
    const guest = host.start();
    guest.exports.table.set(0, stranger());
    guest.contents = new Map([[guest.exports.table, [guest.exports.table.get(0)]]]);
    return { host, guest };
  };
  const without = start({});
  await assert.rejects(without.guest.call('run'), /a function that is none of the module's own.*`reference` may say/);
  const wrong = start({ reference: () => ({}) });
  await assert.rejects(wrong.guest.call('run'), /a reference that nothing fitting was given for/);
  const nothing = start({ reference: () => null });
  await assert.rejects(nothing.guest.call('run'), /a reference that nothing fitting was given for/);
});

const STRUCTS = `(module
  (type $s (struct (field i32)))
  (import "env" "fork" (func $fork (result i32)))
  (memory (export "memory") 1)
  (func (export "make") (param i32) (result anyref) (struct.new $s (local.get 0)))
  (func (export "get") (param anyref) (result i32) (struct.get $s 0 (ref.cast (ref $s) (local.get 0))))
  (func (export "run") (result i32) (local $s (ref null $s))
    (local.set $s (struct.new $s (i32.const 42)))
    (i32.add (call $fork) (struct.get $s 0 (local.get $s)))))`;

if (hasStructs) {
  test('fork: a struct is told of, and the embedder may make it anew', async () => {
    const module = instrumented(STRUCTS, '--carry-references');
    const without = new ForkHost(module, { entry: 'env.fork', imports: { env: { fork } } });
    await assert.rejects(without.start().call('run'), /a struct or an array, which a fresh instance has no counterpart of/);
    const ended = [];
    const reference = (value, parent, child) => child.exports.make(parent.exports.get(value));
    const host = new ForkHost(module, { entry: 'env.fork', imports: { env: { fork } }, reference, onExit: (_, value) => ended.push(value) });
    assert.equal(await host.start().call('run'), 44);
    await host.idle();
    assert.deepEqual(ended, [42]);
  });
}

if (typeof WebAssembly.JSTag === 'object' && hasStructs) {
  test('fork: an exception that is kept is told of', async () => {
    const module = instrumented(`(module
      (import "env" "fork" (func $fork (result i32)))
      (tag $t)
      (memory (export "memory") 1)
      (func $caught (result exnref)
        (block $h (result exnref) (try_table (catch_all_ref $h) (throw $t)) (unreachable)))
      (func (export "run") (param $holds i32) (result i32) (local $e exnref) (local $r i32)
        (if (local.get $holds) (then (local.set $e (call $caught))))
        (local.set $r (call $fork))
        (if (local.get $holds) (then (block $h (try_table (catch $t $h) (throw_ref (local.get $e))) (unreachable))))
        (local.get $r)))`, '--carry-references');
    const ended = [];
    const host = new ForkHost(module, { entry: 'env.fork', imports: { env: { fork } }, onExit: (_, value) => ended.push(value) });
    await assert.rejects(host.start().call('run', 1), /an exception .* which JavaScript can't carry over/);
    assert.equal(await host.start().call('run', 0), 4);
    await host.idle();
    assert.deepEqual(ended, [0], 'null is null in the child');
  });
}
