// Debuggers and stack traces, of a small C program that is paused at every call of its import: what V8 says of where it traps, looked up by
// LLVM; and in a headless Chromium a breakpoint that a source map places.
//
//   node debuggers.mjs --tool WASM_FORK --work DIR --chromium PATH
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { codeSection, finish, report } from './common.mjs';
import { Page, chromium } from './page.mjs';

const text = { type: 'string' };
const { values: options } = parseArgs({ options: { tool: text, work: text, chromium: text } });
const at = (name) => path.join(options.work, name);
const run = (command, ...args) => {
  const result = spawnSync(command, args, { encoding: 'utf8', timeout: 60_000 });
  if (result.status !== 0) throw new Error(`${command} ${args.join(' ')}: ${result.error ?? result.stderr}`);
  return result.stdout;
};

const SOURCE = `__attribute__((import_module("env"), import_name("fork"))) int fork_(int);
static volatile int sink;
static inline __attribute__((always_inline)) int twice(int x) {
  int y = fork_(x);
  return y * 2 + 1;
}
static __attribute__((noinline)) int fail(int x) {
  if (x > 6)
    __builtin_trap();
  return x;
}
static __attribute__((noinline)) int walk(int x) {
  int sum = 0;
  for (int i = 0; i <= x; i++) {
    sum += twice(i) * x;
    sink = sum;
    sum += fail(i + x);
  }
  return sum;
}
__attribute__((export_name("run"))) int run(int n) {
  int sum = 0;
  for (int i = 0; i < n; i++)
    sum += walk(i) + twice(i);
  return sum;
}
`;
/** The line that a breakpoint is put on. */
const LINE = SOURCE.split('\n').findIndex((line) => line.includes('sink = sum')) + 1;
const TRAPS_AT = 4;
const PAGE = 65536;

/** Calls run(n), and unwinds and rewinds at every call of the import if the module can. As text, for a page, too. */
const play = (module, n) => {
  let wasm, buffer, argument;
  const fork = (x) => {
    if (!wasm.wpk_fork_state) return x;
    if (wasm.wpk_fork_state() === 2) {
      wasm.wpk_fork_rewind_end();
      return argument;
    }
    argument = x;
    new DataView(wasm.memory.buffer).setUint32(buffer + 4, buffer + 65536, true);
    wasm.wpk_fork_unwind_begin(buffer);
    return 0;
  };
  wasm = new WebAssembly.Instance(module, { env: { fork } }).exports;
  buffer = wasm.memory.grow(1) * 65536;
  let pauses = 0;
  for (;;) {
    const result = wasm.run(n);
    if (wasm.wpk_fork_state?.() !== 1) return { result, pauses };
    wasm.wpk_fork_unwind_end();
    wasm.wpk_fork_rewind_begin(buffer);
    pauses++;
  }
};

/** Where V8 says that a module traps, from the inside out: function, its line, and what is inlined there, by LLVM. */
const trace = (file) => {
  let stack = '';
  try {
    play(new WebAssembly.Module(fs.readFileSync(file)), TRAPS_AT + 1);
  } catch (error) {
    if (!(error instanceof WebAssembly.RuntimeError)) throw error;
    stack = error.stack;
  }
  const start = codeSection(file).start;
  const frames = [...stack.matchAll(/at (\S+(?: \[resume\])?) \(wasm:\/\/[^)]*wasm-function\[\d+\]:0x([0-9a-f]+)\)/g)];
  const places = frames.map(([, name, offset]) => {
    const lines = run('llvm-symbolizer', `--obj=${file}`, '--functions=short', '--inlines', `0x${(Number.parseInt(offset, 16) - start).toString(16)}`);
    const found = lines.trim().split('\n').map((line) => line.replace(/^.*\//, '').replace(/:\d+$/, ''));
    return { name, place: found.join(' ') };
  });
  return places;
};

/** Digits of a source map. */
const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const vlq = (number) => {
  let rest = number < 0 ? -number * 2 + 1 : number * 2;
  let out = '';
  do {
    const more = rest >>> 5;
    out += digits[(rest & 31) + (more ? 32 : 0)];
    rest = more;
  } while (rest);
  return out;
};
const unvlq = (segment) => {
  const numbers = [];
  let number = 0;
  let shift = 0;
  for (const letter of segment) {
    const digit = digits.indexOf(letter);
    number += (digit & 31) * 2 ** shift;
    shift += 5;
    if (digit & 32) continue;
    numbers.push(number % 2 ? -(number - 1) / 2 : number / 2);
    number = shift = 0;
  }
  return numbers;
};

/** A source map of a module, from its DWARF: columns are offsets in the file. */
const sourceMap = (file) => {
  const rows = run('llvm-dwarfdump', '--debug-line', file).matchAll(/^0x([0-9a-f]{16})\s+(\d+)\s+(\d+)/gm);
  const start = codeSection(file).start;
  const places = [...rows].map(([, address, line]) => ({ offset: Number.parseInt(address, 16) + start, line: Number(line) }));
  places.sort((a, b) => a.offset - b.offset);
  let [offset, line] = [0, 0];
  const mappings = places.filter((place) => place.line).map((place) => {
    const segment = vlq(place.offset - offset) + vlq(0) + vlq(place.line - 1 - line) + vlq(0);
    [offset, line] = [place.offset, place.line - 1];
    return segment;
  });
  return { version: 3, sources: ['program.c'], names: [], mappings: mappings.join(',') };
};

/** What a source map says: offsets with lines, in order. */
const mapped = (map) => {
  let [offset, line] = [0, 0];
  return map.mappings.split(',').map((segment) => {
    const numbers = unvlq(segment);
    offset += numbers[0];
    line += numbers[2] ?? 0;
    return { offset, line: line + 1 };
  });
};

const custom = (name, contents) => {
  const bytes = [name.length, ...Buffer.from(name), contents.length, ...Buffer.from(contents)];
  return Buffer.from([0, bytes.length, ...bytes]);
};

fs.writeFileSync(at('program.c'), SOURCE);
for (const [level, version] of [['O0', 4], ['O2', 5]]) {
  const original = at(`${level}.wasm`);
  // In two steps: clang runs a wasm-opt that it finds over what it links.
  run('clang', '--target=wasm32', '-c', `-gdwarf-${version}`, `-${level}`, at('program.c'), '-o', at('program.o'));
  run('wasm-ld', '--no-entry', at('program.o'), '-o', original);
  const before = trace(original);
  for (const way of ['size', 'speed']) {
    const output = at(`${level}.${way}.wasm`);
    run(options.tool, 'instrument', '-q', original, '-o', output, '--entry', 'env.fork', '--optimize', way);
    const after = trace(output);
    // Below a resume function is the function that handed on to it, at its start.
    const own = after.filter(({ name }, i) => after[i - 1]?.name !== `${name} [resume]`);
    const names = own.map(({ name }) => name.replace(' [resume]', ''));
    const same = before.length > 2 && before.every(({ name, place }, i) => names[i] === name && own[i].place === place) && own.length === before.length;
    const show = (frames) => frames.map(({ name, place }) => `${name}: ${place}`).join('\n');
    report(`V8's stack trace, -${level}, ${way}`, same ? '' : `it was\n${show(before)}\nand is\n${show(after)}`, `${after.length} frames`);
    const asked = (file) => run(options.tool, 'explain', file, 'walk', '--entry', 'env.fork');
    if (way === 'size') {
      const line = /program\.c:\d+/.exec(asked(original))?.[0];
      report(`explain has lines, -${level}`, line ? '' : asked(original), line);
    }
  }
}

// A breakpoint by a line of the source.
const original = at('mapped.wasm');
fs.writeFileSync(original, Buffer.concat([fs.readFileSync(at('O0.wasm')), custom('sourceMappingURL', 'mapped.map')]));
fs.writeFileSync(at('mapped.map'), JSON.stringify(sourceMap(original)));
const browser = await chromium(options.chromium, at('profile'));
const page = await Page.open(browser.port);
await page.send('Debugger.enable');
for (const way of ['size', 'speed']) {
  const output = at(`mapped.${way}.wasm`);
  run(options.tool, 'instrument', '-q', original, '-o', output, '--entry', 'env.fork', '--optimize', way, '--source-map', at('mapped.map'), at(`${way}.map`));
  const places = mapped(JSON.parse(fs.readFileSync(at(`${way}.map`), 'utf8')));
  const parsed = page.next('Debugger.scriptParsed', ({ scriptLanguage }) => scriptLanguage === 'WebAssembly');
  const bytes = fs.readFileSync(output).toString('base64');
  await page.evaluate(`play = ${play}; module = new WebAssembly.Module(Uint8Array.from(atob('${bytes}'), (c) => c.charCodeAt(0))); play(module, 1); true`);
  const script = await parsed;
  let problem = script.sourceMapURL === `${way}.map` ? '' : `the map is looked for at ${script.sourceMapURL}`;
  const stops = places.filter(({ line }, i) => line === LINE && places[i - 1]?.line !== LINE);
  for (const { offset } of stops) {
    await page.send('Debugger.setBreakpoint', { location: { scriptId: script.scriptId, lineNumber: 0, columnNumber: offset } });
  }
  const names = [];
  const lines = [];
  const result = page.evaluate('play(module, 3)');
  let ended = false;
  result.finally(() => (ended = true));
  while (!ended) {
    const paused = await Promise.race([page.next('Debugger.paused'), result.then(() => null)]);
    if (!paused) break;
    const [frame] = paused.callFrames;
    const offset = frame.location.columnNumber;
    names.push(frame.functionName.replace(/^\$/, ''));
    lines.push(places.filter((place) => place.offset <= offset).at(-1)?.line);
    await page.send('Debugger.resume');
  }
  const { result: sum, pauses } = await result;
  const expected = play(new WebAssembly.Module(fs.readFileSync(original)), 3).result;
  // walk(0), walk(1), walk(2): one, two and three rounds, each behind a pause.
  if (!problem && (lines.length !== 6 || lines.some((line) => line !== LINE))) problem = `it stopped in lines ${lines} of ${names}`;
  if (!problem && (sum !== expected || pauses < 6)) problem = `${sum} after ${pauses} pauses, not ${expected}`;
  report(`a breakpoint in line ${LINE} in Chromium, ${way}`, problem, `${lines.length} stops, in ${[...new Set(names)].join(', ')}`);
}
browser.child.removeAllListeners('exit');
await page.send('Browser.close').catch(() => {});
finish();
setTimeout(() => process.exit(), 1000).unref();
