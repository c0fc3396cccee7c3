// Prints a random program with legacy exceptions, as cases/legacy.mjs runs them: the same for the same seed.
//
//   node legacy-programs.mjs SEED
//
// Functions call each other and the entry in bodies, handlers and cleanup pads of every kind; values live across all of it. Calls and
// loops take fuel, so that every program ends.
import { argv } from 'node:process';

/** Mulberry32 by Tommy Ettinger (public domain). */
const random = (seed) => () => {
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), seed | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return (t ^ (t >>> 14)) >>> 0;
};

const next = random(Number(argv[2]) * 7919 + 1);
const below = (n) => next() % n;
const chance = (percent) => below(100) < percent;
const pick = (items) => items[below(items.length)];

const FUNCS = 2 + below(3);
const LOCALS = { i32: ['$x', '$a', '$b'], i64: ['$c'], f64: ['$d'] };
const TAGS = { $none: [], $int: ['i32'], $two: ['i64', 'f64'] };
const FUEL = '(call $burn)';

/** What is in one function. */
class Body {
  lines = [];
  labels = []; // blocks that may be left
  tries = []; // those whose bodies this is in
  handlers = []; // those whose handlers this is in, of which what was caught may be thrown again
  count = 0;
  budget = 12 + below(25);

  put(line) {
    this.lines.push(line);
  }

  label() {
    return `$l${this.count++}`;
  }

  value(type) {
    if (type === 'i64') return chance(60) ? '(local.get $c)' : `(i64.extend_i32_s ${this.value('i32')})`;
    if (type === 'f64') return chance(60) ? '(local.get $d)' : `(f64.convert_i32_s ${this.value('i32')})`;
    if (this.budget-- <= 0) return chance(50) ? `(i32.const ${below(9)})` : `(local.get ${pick(LOCALS.i32)})`;
    switch (below(8)) {
      case 0: return `(i32.const ${below(20)})`;
      case 1: case 2: return `(local.get ${pick(LOCALS.i32)})`;
      case 3: return `(call $fork ${this.value('i32')})`;
      case 4: return `(call $f${below(FUNCS)} ${this.value('i32')} ${this.value('i64')})`;
      case 5: return `(i32.wrap_i64 ${this.value('i64')})`;
      case 6: return `(call_indirect (param i32 i64) (result i32) ${this.value('i32')} ${this.value('i64')} (i32.const ${below(FUNCS)}))`;
      default: return `(i32.${pick(['add', 'sub', 'mul', 'xor'])} ${this.value('i32')} ${this.value('i32')})`;
    }
  }

  set(type, value) {
    this.put(`(local.set ${pick(LOCALS[type])} ${value})`);
  }

  statements(most) {
    for (let left = 1 + below(most); left > 0; left--) this.statement();
  }

  statement() {
    if (this.budget-- <= 0) return this.set('i32', this.value('i32'));
    switch (below(12)) {
      case 0: return this.put(`(call $log ${this.value('i32')})`);
      case 1: return this.set('i64', this.value('i64'));
      case 2: return this.set('f64', this.value('f64'));
      case 3: case 4: case 5: return this.attempt();
      case 6: return this.seldom(() => this.throw());
      case 7: return this.leave();
      case 8: return this.loop();
      case 9: return this.seldom(() => this.tail());
      default: return this.set('i32', this.value('i32'));
    }
  }

  seldom(what) {
    this.put(`(i32.eq (i32.and ${this.value('i32')} (i32.const 3)) (i32.const ${below(4)}))`);
    this.put('if');
    what();
    this.put('end');
  }

  throw() {
    const [tag, types] = pick(Object.entries(TAGS));
    if (this.handlers.length && chance(50)) return this.put(`rethrow ${pick(this.handlers)}`);
    this.put(`${types.map((type) => this.value(type)).join(' ')} throw ${tag}`);
  }

  leave() {
    if (!this.labels.length) return this.seldom(() => this.put(`(return ${this.value('i32')})`));
    this.put(`(br_if ${pick(this.labels)} (i32.and ${this.value('i32')} (i32.const 1)))`);
  }

  /** A tail call leaves all handlers behind. */
  tail() {
    if (chance(30)) return this.put(`${this.value('i32')} return_call $fork`);
    const args = `${this.value('i32')} ${this.value('i64')}`;
    if (chance(50)) return this.put(`${args} return_call $f${below(FUNCS)}`);
    this.put(`${args} (i32.const ${below(FUNCS)}) return_call_indirect (param i32 i64) (result i32)`);
  }

  loop() {
    const label = this.label();
    this.put(`loop ${label}`);
    this.statements(2);
    this.put(`(br_if ${label} (i32.and ${FUEL} ${this.value('i32')}))`);
    this.put('end');
  }

  /** `try` in a block that its parts may leave; some leave a value on the operand stack below. */
  attempt() {
    const [block, label] = [this.label(), this.label()];
    const isAbove = chance(30);
    if (isAbove) this.put(this.value('i32'));
    this.put(`block ${block}`);
    this.labels.push(block);
    this.put(`try ${label}`);
    this.tries.push(label);
    this.statements(3);
    if (chance(50)) this.seldom(() => this.throw());
    this.tries.pop();
    if (chance(15)) {
      this.put(`delegate ${this.tries.length && chance(70) ? pick(this.tries) : block}`);
    } else {
      this.handle(label);
      this.put('end');
    }
    this.labels.pop();
    this.put('end');
    if (isAbove) this.put(`local.set ${pick(LOCALS.i32)}`);
  }

  handle(label) {
    const tags = Object.keys(TAGS).filter(() => chance(45));
    const all = !tags.length || chance(55);
    this.handlers.push(label);
    for (const tag of tags) {
      this.put(`catch ${tag}`);
      for (const type of TAGS[tag].toReversed()) this.put(`local.set ${pick(LOCALS[type])}`);
      this.statements(2);
    }
    if (all) {
      this.put('catch_all');
      this.statements(3);
      // As cleanup pads of C++ and Rust do.
      if (chance(50)) this.put(`rethrow ${label}`);
    }
    this.handlers.pop();
  }
}

const func = (ordinal) => {
  const body = new Body();
  body.statements(5);
  body.put(body.value('i32'));
  return `  (func $f${ordinal} (param $x i32) (param $c i64) (result i32) (local $a i32) (local $b i32) (local $d f64)
    (if (i32.eqz ${FUEL}) (then (return (i32.const 1))))
    ${body.lines.join('\n    ')})`;
};

const funcs = Array.from({ length: FUNCS }, (_, ordinal) => func(ordinal));
console.log(`;; The program of seed ${argv[2]}.
(module
  (import "env" "fork" (func $fork (param i32) (result i32)))
  (import "env" "log" (func $log (param i32)))
  (memory (export "memory") 1)
  (table funcref (elem ${funcs.map((_, ordinal) => `$f${ordinal}`).join(' ')}))
  ${Object.entries(TAGS).map(([tag, types]) => `(tag ${tag} (param ${types.join(' ')}))`).join(' ')}
  (global $fuel (mut i32) (i32.const 0))
  (func $burn (result i32)
    (if (i32.eqz (global.get $fuel)) (then (return (i32.const 0))))
    (global.set $fuel (i32.sub (global.get $fuel) (i32.const 1)))
    (i32.const 1))
${funcs.join('\n')}
  (func (export "run") (param $x i32) (result i32)
    (global.set $fuel (i32.add (i32.const 4) (i32.mul (i32.const 3) (local.get $x))))
    (i32.add (call $f0 (call $fork (local.get $x)) (i64.const 40)) (global.get $fuel))))`);
