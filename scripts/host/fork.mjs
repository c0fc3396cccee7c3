// What fork asks of the instrumented module, and of its host: one class for each protocol that wasm-fork speaks.
//
//   enter(process)         inside the entry import: begins the unwind and returns a dummy; or, when the stack has been
//                          rewound, ends that and returns what fork returns to the program
//   unwound(process)       after the export returned: true when it returned by unwinding, which this ends
//   copied(parent, child)  the child, a new instance, has a copy of the memory: copies what else it needs
//   rewind(process)        before the same export is called again: begins the rewind
//
// A program that was instrumented with a resume module needs an instance of that for each of its own that unwinds or rewinds, and a
// program that never forks none: it is compiled when the first process forks.
//
// The frames lie in a buffer that is appended to the program's memory at its first fork, so a copy of the memory, the
// child's, has them too. Behind the buffer's end lie a few bytes that nobody may write.
import { E } from './errno.mjs';

const POISON = 0xa5;
const GUARD_BYTES = 64;

class Buffer {
  constructor(memory, room) {
    this.at = memory.allocate(room + GUARD_BYTES);
    this.end = this.at + room;
    memory.bytes.fill(POISON, this.end, this.end + GUARD_BYTES);
  }

  check(memory) {
    for (let i = this.end; i < this.end + GUARD_BYTES; i++)
      if (memory.bytes[i] !== POISON) throw new Error(`the byte ${i - this.end} behind the fork buffer was written`);
  }
}

/** The protocol `wpk-fork`. The buffer begins with two words: the position, and the end that no frame may pass. */
export class WpkFork {
  static prefix = 'wpk_fork_';
  static NORMAL = 0;
  static UNWINDING = 1;
  static REWINDING = 2;
  static NO_ROOM = 3;

  /**
   * `room` is how many bytes a buffer has. When the frames don't fit, the unwind is begun once more with twice the
   * room, or, with `fixed`, fork fails.
   */
  constructor({ room = 16384, fixed = false } = {}) {
    Object.assign(this, { room, fixed });
    this.refused = 0; // forks that failed for want of room
  }

  enter(process) {
    const exports = process.instance.exports;
    switch (exports.wpk_fork_state?.()) {
      case undefined:
        return -E.NOSYS;
      case WpkFork.NORMAL:
        process.forkBuffer ??= new Buffer(process.memory, this.room);
        return this.#unwind(process);
      case WpkFork.REWINDING:
        exports.wpk_fork_rewind_end();
        process.forkBuffer.check(process.memory);
        if (process.memory.view.getUint32(process.forkBuffer.at, true) !== process.forkStart)
          throw new Error('a rewind did not bring the position back to its start');
        return process.forkResult;
      case WpkFork.NO_ROOM:
        exports.wpk_fork_rewind_end();
        process.forkBuffer.check(process.memory);
        if (this.fixed) {
          this.refused++;
          return -E.AGAIN;
        }
        process.forkBuffer = new Buffer(process.memory, 2 * (process.forkBuffer.end - process.forkBuffer.at));
        return this.#unwind(process);
      default:
        throw new Error('fork was called during an unwind');
    }
  }

  /** Gives the process its resume functions, if they are in a module of their own: before it unwinds, since that may be undone. */
  #prepare(process) {
    const { program, instance } = process;
    if (process.prepared === instance) return;
    if (program.resumes) program.resumeModule ??= new WebAssembly.Module(program.resumes);
    if (program.resumeModule) new WebAssembly.Instance(program.resumeModule, { wpk_fork: instance.exports });
    process.prepared = instance;
  }

  #unwind(process) {
    this.#prepare(process);
    const { at, end } = process.forkBuffer;
    process.memory.view.setUint32(at + 4, end, true);
    process.instance.exports.wpk_fork_unwind_begin(at);
    process.forkStart = process.memory.view.getUint32(at, true);
    return 0;
  }

  unwound(process) {
    const exports = process.instance.exports;
    if (exports.wpk_fork_state?.() !== WpkFork.UNWINDING) return false;
    exports.wpk_fork_unwind_end();
    process.forkBuffer.check(process.memory);
    return true;
  }

  /** The globals that the module defines are in the buffer; the child, a fresh instance, needs them once. */
  copied(parent, child) {
    child.isFresh = true;
  }

  /** The parent goes on in its instance, where a handler may have run meanwhile: its globals stay as they are. */
  rewind(process) {
    this.#prepare(process);
    const exports = process.instance.exports;
    const begin = process.isFresh ? exports.wpk_fork_rewind_begin : exports.wpk_fork_resume_begin;
    process.isFresh = false;
    begin(process.forkBuffer.at);
  }

  /** How many bytes the last unwind filled. */
  used(process) {
    return process.memory.view.getUint32(process.forkBuffer.at, true) - process.forkBuffer.at;
  }
}

/** The protocol of Binaryen's Asyncify. The buffer begins with the same two words, both set by the host. */
export class Asyncify {
  constructor({ room = 1 << 20 } = {}) {
    this.room = room;
    this.refused = 0;
  }

  enter(process) {
    const exports = process.instance.exports;
    if (!exports.asyncify_get_state) return -E.NOSYS;
    if (exports.asyncify_get_state() === 2) {
      exports.asyncify_stop_rewind();
      return process.forkResult;
    }
    process.forkBuffer ??= new Buffer(process.memory, this.room);
    const { at, end } = process.forkBuffer;
    process.memory.view.setUint32(at, at + 8, true);
    process.memory.view.setUint32(at + 4, end, true);
    exports.asyncify_start_unwind(at);
    return 0;
  }

  unwound(process) {
    const exports = process.instance.exports;
    if (exports.asyncify_get_state?.() !== 1) return false;
    exports.asyncify_stop_unwind();
    return true;
  }

  /** Asyncify saves no globals: those that can be seen from outside (__stack_pointer is the one) are copied. */
  copied(parent, child) {
    for (const [name, value] of Object.entries(parent.instance.exports))
      if (value instanceof WebAssembly.Global && value.value !== child.instance.exports[name].value)
        child.instance.exports[name].value = value.value;
  }

  rewind(process) {
    process.instance.exports.asyncify_start_rewind(process.forkBuffer.at);
  }

  used(process) {
    return process.memory.view.getUint32(process.forkBuffer.at, true) - process.forkBuffer.at;
  }
}
