// A host of one instrumented module: stands between its imports and exports, and unwinds and rewinds the stack as entries ask for it.
//
// A *guest* is an instance with its memory; fork makes another. A *stack* is one call of an export, which may be away: its frames then
// lie in a buffer in the guest's memory. An entry that returns a promise, or a request (requests.mjs), has the stack unwound; the entry
// is called once more at the end of the rewind, and then returns the answer.
import { copyState, tableContents, tablesOf } from './copies.mjs';
import { framesOf, functionNames, wholeStack } from './names.mjs';
import { Buffer, NORMAL, protocolOf, REWINDING, UNDOING, UNWINDING, Words } from './protocols.mjs';
import { carryReferences, planReferences } from './references.mjs';
import { Fork, fork, LongJump, Pause, requested, SetJump, Wait } from './requests.mjs';

const EAGAIN = 11;
const DEFAULT_ENTRY = 'kernel.kernel_fork';
const MAX_ROOM = 16 << 20;
const FIBER_STACK_BYTES = 65536;

/** What a dummy or garbage may be of any numeric type: both Number and BigInt take it for zero. */
const ANY_ZERO = false;

/** A call that ended by a trap or an exception, with the functions that were on the stack. */
export class GuestError extends Error {
  constructor(what, cause, frames) {
    const where = frames.length ? ` in ${frames[0].name ?? `function ${frames[0].index}`}` : '';
    super(`${what}: ${cause?.message ?? cause}${where}`, { cause });
    this.name = 'GuestError';
    this.frames = frames;
  }
}

/** One call of an export, from its start to its end. */
class Stack {
  isAway = false;
  isFresh = false; // in a fresh instance since it was unwound
  buffer = null; // where the next unwind goes
  frames = null; // where the frames are, while it is away
  request = null;
  answer = undefined;
  pointer = undefined; // of the program's own stack in memory, while this one is away

  constructor(guest, name, args) {
    Object.assign(this, { guest, name, args });
  }

  /** Before the export is called. */
  enter() {
    const { guest } = this;
    guest.running = this;
    if (this.pointer !== undefined) guest.stackPointer = this.pointer;
    if (!this.isAway) return this.args;
    guest.prepare();
    guest.protocol.beginRewind(this.frames, this.isFresh);
    this.isFresh = false;
    // On a rewind any arguments will do.
    return this.args.map((arg) => (typeof arg === 'bigint' ? 0n : arg));
  }

  /** After it has returned; true if it has ended. */
  left() {
    const { guest } = this;
    const { protocol } = guest;
    this.isAway = protocol !== null && protocol.state === UNWINDING;
    if (!this.isAway) return true;
    protocol.endUnwind();
    this.frames = this.buffer;
    this.frames.used = null;
    this.frames.check(guest.words);
    if (this.isFiber) this.pointer = guest.stackPointer;
    return false;
  }
}

/** What `wpk_fork_unprepared` gives where every function was prepared. */
const NOBODY = -1;

/** A running instance of the module. */
export class Guest {
  running = null;
  #main = null;
  #jumps = new Map();
  #prepared = false;

  constructor(host, pid, context) {
    Object.assign(this, { host, pid, context });
    this.imports = host.importsOf(this);
  }

  /** @internal */
  async instantiate() {
    this.adopt(await WebAssembly.instantiate(this.host.module, this.imports));
    return this;
  }

  /** @internal */
  instantiateNow() {
    this.adopt(new WebAssembly.Instance(this.host.module, this.imports));
    return this;
  }

  adopt(instance) {
    this.instance = instance;
    this.exports = instance.exports;
    const memory = this.host.memoryOf(this);
    this.memory = memory;
    this.words = memory ? new Words(memory) : null;
    this.protocol = memory ? protocolOf(this.exports, this.words) : null;
    this.contents = tableContents(tablesOf(this));
  }

  /** Text in the memory: UTF-8, of `length` bytes, or up to a zero. */
  text(at, length) {
    const bytes = new Uint8Array(this.exports.memory?.buffer ?? this.memory.buffer);
    const start = Number(at);
    const end = length === undefined ? bytes.indexOf(0, start) : start + Number(length);
    return new TextDecoder().decode(bytes.slice(start, end));
  }

  /** Where the program's stack in memory reaches to, if it shows that. */
  get stackPointer() {
    const { __stack_pointer: global, stackSave, emscripten_stack_get_current: get } = this.exports;
    return global?.value ?? (stackSave ?? get)?.();
  }

  set stackPointer(value) {
    const { __stack_pointer: global, stackRestore, _emscripten_stack_restore: restore } = this.exports;
    if (global) global.value = value;
    else (stackRestore ?? restore)?.(value);
  }

  /** Calls an export. Resolves to what it returns, when it has really returned. */
  async call(name, ...args) {
    const stack = this.#claim(name, args);
    try {
      return await this.drive(stack);
    } finally {
      if (this.#main === stack) this.#main = null;
    }
  }

  /** The same at once, for a program that has nothing to wait for. */
  callNow(name, ...args) {
    const stack = this.#claim(name, args);
    try {
      const { done, value } = this.#advance(stack);
      if (done) return value;
      throw new Error(`${name} has to wait for something; use call`);
    } finally {
      this.#main = null;
    }
  }

  /**
   * A call with a stack of its own, which stops where an entry pauses: `next(answer)` goes on to the next pause, or the end. It has a
   * region of its own in memory, of `stackBytes`, where the program shows its stack pointer.
   */
  fiber(name, args = [], { stackBytes = FIBER_STACK_BYTES } = {}) {
    const stack = new Stack(this, name, args);
    stack.isFiber = true;
    let ended = false;
    const next = (answer) => {
      if (ended) return { done: true, value: undefined };
      const outerPointer = this.stackPointer;
      if (!stack.isAway && outerPointer !== undefined) {
        const size = Math.ceil(stackBytes / 16) * 16;
        stack.pointer = this.words.address(this.words.grow(size) + size);
      }
      stack.answer = { value: answer };
      try {
        const { done, value, request } = this.#advance(stack);
        ended = done;
        return done ? { done, value } : { done, value: request instanceof Pause ? request.value : request.promise };
      } catch (error) {
        ended = true;
        throw error;
      } finally {
        if (outerPointer !== undefined) this.stackPointer = outerPointer;
      }
    };
    return { next, [Symbol.iterator]: () => ({ next }) };
  }

  #claim(name, args) {
    if (this.#main) throw new Error(`${name} can't be called while ${this.#main.name} is on the stack or away; a fiber can`);
    this.#main = new Stack(this, name, args);
    return this.#main;
  }

  /** Goes on with a stack until it ends. */
  async drive(stack) {
    const { isSuspending } = this.host;
    for (;;) {
      const { done, value, request } = isSuspending ? await this.#advanceSuspending(stack) : this.#advance(stack);
      if (done) return value;
      if (!(request instanceof Wait)) throw new Error(`${stack.name} pauses, and is no fiber`);
      try {
        stack.answer = { value: await request.promise };
      } catch (error) {
        stack.answer = { error };
      }
    }
  }

  /** Goes on with a stack until it ends, or somebody has to answer. */
  #advance(stack) {
    const outer = this.running;
    try {
      for (;;) {
        const value = this.#func(stack)(...stack.enter());
        if (stack.left()) return { done: true, value };
        if (!this.#answered(stack)) return { done: false, request: stack.request };
      }
    } catch (error) {
      throw this.host.explained(`${stack.name}, process ${this.pid}`, error);
    } finally {
      this.running = outer;
    }
  }

  /** The same where imports suspend the whole stack (JSPI). */
  async #advanceSuspending(stack) {
    try {
      for (;;) {
        const value = await WebAssembly.promising(this.#func(stack))(...stack.enter());
        if (stack.left()) return { done: true, value };
        if (!this.#answered(stack)) return { done: false, request: stack.request };
      }
    } catch (error) {
      throw this.host.explained(`${stack.name}, process ${this.pid}`, error);
    }
  }

  #func({ name }) {
    const func = this.exports[name];
    if (typeof func !== 'function') throw new Error(`the module exports no function \`${name}\``);
    return func;
  }

  /** Answers what the host itself can. */
  #answered(stack) {
    const { request } = stack;
    if (request instanceof Fork) {
      const child = this.host.forked(this, stack);
      stack.answer = { value: child ? child.pid : -EAGAIN };
    } else if (request instanceof SetJump) {
      const old = this.#jumps.get(request.key);
      if (old) this.protocol.release(old.frames);
      this.#jumps.set(request.key, { frames: stack.frames, pointer: this.stackPointer });
      stack.buffer = old?.frames ?? null;
      stack.answer = { value: 0 };
    } else if (request instanceof LongJump) {
      const jump = this.#jumps.get(request.key);
      if (!jump) throw new Error(`longjmp to ${String(request.key)}, where no setjmp was`);
      this.protocol.release(stack.frames);
      stack.frames = jump.frames;
      if (jump.pointer !== undefined) this.stackPointer = jump.pointer;
      stack.answer = { value: request.value };
    } else {
      return false;
    }
    return true;
  }

  /** Gives the instance its resume functions, if they are in a module of their own: before it unwinds, since that may be undone. */
  prepare() {
    if (this.#prepared) return;
    this.#prepared = true;
    const module = this.host.resumeModule();
    if (module) new WebAssembly.Instance(module, { wpk_fork: this.exports });
  }

  /** An entry was called: by the program, or at the end of a rewind. */
  enter(name, handler, args) {
    const { protocol, running: stack } = this;
    switch (protocol ? protocol.state : NORMAL) {
      case NORMAL: {
        this.host.recorder?.record();
        const answer = handler(...args);
        const request = requested(answer);
        if (!request) return answer;
        if (!protocol) throw new Error(`${name} has to unwind the stack, and the module is not instrumented; see \`wasm-fork instrument\``);
        if (!stack) throw new Error(`${name} has to unwind a stack that was not called through this host: use call or fiber`);
        stack.request = request;
        return this.#unwind(stack);
      }
      case REWINDING:
        return this.#rewound(stack);
      case UNDOING:
        protocol.endUndo();
        stack.buffer.check(this.words);
        return this.#withoutRoom(stack, name);
      default:
        throw new Error(`${name} was called while the stack is unwound`);
    }
  }

  #unwind(stack) {
    this.prepare();
    stack.buffer ??= this.#newBuffer(this.host.room ?? this.protocol.constructor.room);
    this.protocol.beginUnwind(stack.buffer);
    return ANY_ZERO;
  }

  #newBuffer(room) {
    const { place } = this.host;
    return Buffer.make(this.words, room, place && ((size) => place(this, size)));
  }

  #rewound(stack) {
    const { frames, answer } = stack;
    this.protocol.endRewind(frames);
    frames.check(this.words);
    if (frames === stack.buffer && ![...this.#jumps.values()].some((jump) => jump.frames === frames)) this.protocol.release(frames);
    stack.answer = undefined;
    if (answer && 'error' in answer) throw answer.error;
    return answer?.value;
  }

  /** The unwind was undone: it is begun again with more room, up to a limit. */
  #withoutRoom(stack, name) {
    const { room } = stack.buffer;
    // More would not help a function that is not prepared.
    const isUnprepared = (this.exports.wpk_fork_unprepared?.() ?? NOBODY) !== NOBODY;
    if (!isUnprepared && 2 * room <= this.host.maxRoom) {
      stack.buffer = this.#newBuffer(2 * room);
      return this.#unwind(stack);
    }
    return this.host.onNoRoom(this, { entry: name, room }) ?? -EAGAIN;
  }

  /** This guest as it is, in a fresh instance; `stack` goes on there, too. */
  copied(child, stack) {
    const references = planReferences(this, child, this.host.options.reference);
    copyState(this, child);
    child.protocol.copyGlobals(this.exports);
    carryReferences(references, child);
    const twin = new Stack(child, stack.name, stack.args);
    const { isFiber, pointer, frames } = stack;
    const { at, room, start } = frames;
    twin.frames = twin.buffer = Object.assign(new Buffer(at, room), start === undefined ? {} : { start });
    Object.assign(twin, { isFiber, pointer, isAway: true, isFresh: true, answer: { value: 0 } });
    child.#main = twin;
    return twin;
  }

  /** How many bytes the frames take that were saved last. */
  usedBy(stack) {
    return this.protocol.used(stack.frames);
  }
}

/** Which functions were on the stack when an entry was called. */
class Recorder {
  stacks = 0;
  functions = new Map();

  record() {
    const seen = new Set(framesOf(wholeStack()).map(({ index }) => index));
    if (!seen.size) return;
    this.stacks++;
    for (const index of seen) this.functions.set(index, (this.functions.get(index) ?? 0) + 1);
  }
}

/** A host of one module. */
export class ForkHost {
  #nextPid = 1;
  #going = new Set();
  #failures = [];
  #names = null;

  constructor(module, options = {}) {
    const isModule = module instanceof WebAssembly.Module;
    this.bytes = isModule ? null : module;
    this.module = isModule ? module : new WebAssembly.Module(module);
    const { imports = {}, entry = DEFAULT_ENTRY, room, maxRoom = MAX_ROOM, fixed = false } = options;
    Object.assign(this, { options, givenImports: imports, room });
    this.maxRoom = fixed ? 0 : maxRoom;
    this.entries = [entry].flat();
    this.place = options.place;
    this.onNoRoom = options.onNoRoom ?? (() => -EAGAIN);
    this.isSuspending = !!options.suspending;
    this.resumes = options.resumes ?? null;
    this.recorder = options.profile ? new Recorder() : null;
  }

  /** Starts a program: an instance, of which nothing was called yet. */
  start(context) {
    return new Guest(this, this.#nextPid++, context).instantiateNow();
  }

  /** The same for a module that is too large to be instantiated at once, as browsers have it. */
  startLater(context) {
    return new Guest(this, this.#nextPid++, context).instantiate();
  }

  /** Resolves when all children have ended; rejects if one of them failed. */
  async idle() {
    while (this.#going.size) await Promise.all(this.#going);
    const [failure] = this.#failures.splice(0);
    if (failure) throw failure;
  }

  /** What was recorded for `wasm-fork --profile`. */
  async profile() {
    if (!this.recorder) throw new Error('nothing is recorded without the option `profile`');
    const names = this.#functionNames();
    const { stacks, functions } = this.recorder;
    const list = [...functions].sort(([a], [b]) => a - b).map(([index, count]) => ({ index, name: names.get(index), count }));
    const isOurs = ({ name }) => !/^(wpk_fork|asyncify)_/.test(name) && !name?.endsWith(' [resume]');
    const profile = { version: 1, stacks, functions: list.filter(isOurs) };
    if (this.bytes) {
      const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', this.bytes));
      profile.module = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
    }
    return profile;
  }

  // ---- What guests need

  #isEntry(module, name) {
    const full = `${module}.${name}`;
    return this.entries.some((entry) => (entry.endsWith('*') ? full.startsWith(entry.slice(0, -1)) : entry === full));
  }

  /** The imports of a guest, with this host in front of each entry. */
  importsOf(guest) {
    const given = typeof this.givenImports === 'function' ? this.givenImports(guest) : this.givenImports;
    const imports = {};
    for (const { module, name, kind } of WebAssembly.Module.imports(this.module)) {
      const value = given[module]?.[name];
      const full = `${module}.${name}`;
      imports[module] ??= {};
      if (kind === 'function' && this.#isEntry(module, name)) {
        const handler = value ?? (full === DEFAULT_ENTRY || this.entries.join() === full ? fork : undefined);
        if (!handler) throw new Error(`the module imports ${full}, and \`imports\` has nothing for it`);
        imports[module][name] = (...args) => guest.enter(full, handler, args);
      } else {
        if (value === undefined) throw new Error(`the module imports ${full}, a ${kind}, and \`imports\` has nothing for it`);
        imports[module][name] = value;
      }
    }
    return imports;
  }

  /** The memory that frames go to. */
  memoryOf({ exports, imports }) {
    const { memory = 'memory' } = this.options;
    const own = exports.wpk_fork_memory ?? exports.asyncify_memory;
    if (own) return own;
    if (exports[memory] instanceof WebAssembly.Memory) return exports[memory];
    const all = [...Object.values(imports).flatMap((fields) => Object.values(fields)), ...Object.values(exports)];
    return all.find((value) => value instanceof WebAssembly.Memory) ?? null;
  }

  /** A program that never forks needs none: it is compiled when the first one does. */
  resumeModule() {
    if (this.resumes && !(this.resumes instanceof WebAssembly.Module)) this.resumes = new WebAssembly.Module(this.resumes);
    return this.resumes;
  }

  /** Makes the child of a guest whose stack is away. It begins after the parent has gone on. */
  forked(parent, stack) {
    const child = new Guest(this, this.#nextPid++, parent.context).instantiateNow();
    const twin = parent.copied(child, stack);
    if (this.options.onFork?.(parent, child, parent.usedBy(stack), stack.frames) === false) return null;
    const going = Promise.resolve()
      .then(() => child.drive(twin))
      .then(
        (value) => this.options.onExit?.(child, value),
        (error) => (this.options.onFailure ? this.options.onFailure(child, error) : this.#failures.push(error)),
      )
      .finally(() => this.#going.delete(going));
    this.#going.add(going);
    return child;
  }

  #functionNames() {
    return (this.#names ??= functionNames(this.module));
  }

  /** An error with the functions that it went through. */
  explained(what, error) {
    if (!(error instanceof WebAssembly.RuntimeError)) return error;
    const names = this.#functionNames();
    const frames = framesOf(error.stack).map(({ index, offset }) => ({ index, offset, name: names.get(index) }));
    return frames.length ? new GuestError(what, error, frames) : error;
  }
}
