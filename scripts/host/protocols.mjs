// The protocols that instrumented modules speak: one class each, on one instance.
//
// A buffer of either begins with two addresses: the position, and the end that no frame may pass. They are as wide as the memory's.

export const NORMAL = 0;
export const UNWINDING = 1;
export const REWINDING = 2;
export const UNDOING = 3;

const PAGE = 65536;
const POISON = 0xa5;
const GUARD_BYTES = 64;

/** A memory as its host sees it: addresses are numbers here, whatever the memory has. */
export class Words {
  /** @param {WebAssembly.Memory} memory */
  constructor(memory) {
    this.memory = memory;
    this.isWide = Words.#isWide(memory);
    this.width = this.isWide ? 8 : 4;
  }

  static #isWide(memory) {
    try {
      memory.grow(0);
      return false;
    } catch (error) {
      if (error instanceof TypeError) return true;
      throw error;
    }
  }

  /** What a function of the module takes for an address. */
  address(at) {
    return this.isWide ? BigInt(at) : at;
  }

  read(at) {
    const view = new DataView(this.memory.buffer);
    return this.isWide ? Number(view.getBigUint64(at, true)) : view.getUint32(at, true);
  }

  write(at, value) {
    const view = new DataView(this.memory.buffer);
    if (this.isWide) view.setBigUint64(at, BigInt(value), true);
    else view.setUint32(at, value, true);
  }

  get bytes() {
    return new Uint8Array(this.memory.buffer);
  }

  get size() {
    return this.memory.buffer.byteLength;
  }

  /** Adds at least `size` bytes at the end; returns their address. */
  grow(size) {
    return Number(this.memory.grow(this.address(Math.ceil(size / PAGE)))) * PAGE;
  }

  growTo(size) {
    if (size > this.size) this.grow(size - this.size);
  }
}

/** Room for frames, with bytes behind it that nobody may write. */
export class Buffer {
  constructor(at, room) {
    Object.assign(this, { at, room, end: at + room });
  }

  /** At the end of the memory, where the program doesn't know of it, unless `place` gives an address. */
  static make(words, room, place) {
    const size = room + GUARD_BYTES;
    const buffer = new Buffer(place ? Number(place(size)) : words.grow(size), room);
    words.bytes.fill(POISON, buffer.end, buffer.end + GUARD_BYTES);
    return buffer;
  }

  check(words) {
    const behind = words.bytes.subarray(this.end, this.end + GUARD_BYTES);
    const at = behind.findIndex((byte) => byte !== POISON);
    if (at >= 0) throw new Error(`the byte ${at} behind the buffer at ${this.at} was written`);
  }
}

export class WpkFork {
  static isSpokenBy = (exports) => 'wpk_fork_state' in exports;
  static prefix = 'wpk_fork_';
  static room = 16384;
  /** An unwind that found no room is undone, so that it can be begun again with more. */
  static canUndo = true;

  constructor(exports, words) {
    Object.assign(this, { exports, words });
  }

  get state() {
    return this.exports.wpk_fork_state();
  }

  beginUnwind(buffer) {
    this.words.write(buffer.at + this.words.width, buffer.end);
    this.exports.wpk_fork_unwind_begin(this.words.address(buffer.at));
    buffer.start = this.words.read(buffer.at);
  }

  endUnwind() {
    this.exports.wpk_fork_unwind_end();
  }

  /**
   * A fresh instance takes its globals from the buffer; in the same one they have gone on meanwhile. The position moves back while
   * frames are read: it is put where the unwind left it first, for a stack that is rewound again.
   */
  beginRewind(buffer, isFresh) {
    this.words.write(buffer.at, (buffer.used ??= this.words.read(buffer.at)));
    const begin = isFresh ? this.exports.wpk_fork_rewind_begin : this.exports.wpk_fork_resume_begin;
    begin(this.words.address(buffer.at));
  }

  endRewind(buffer) {
    this.exports.wpk_fork_rewind_end();
    if (this.words.read(buffer.at) !== buffer.start) throw new Error('a rewind did not bring the position back to its start');
  }

  /** Ends the undoing of an unwind. */
  endUndo() {
    this.exports.wpk_fork_rewind_end();
  }

  /** The stack in this buffer is not rewound again: references that wait for it may go. */
  release(buffer) {
    this.exports.wpk_fork_release?.(this.words.address(buffer.at));
  }

  /** The module saves its globals itself. */
  copyGlobals() {}

  used(buffer) {
    return this.words.read(buffer.at) - buffer.at;
  }
}

export class Asyncify {
  static isSpokenBy = (exports) => 'asyncify_get_state' in exports;
  static prefix = 'asyncify_';
  // What doesn't fit traps.
  static room = 1 << 20;
  static canUndo = false;

  constructor(exports, words) {
    Object.assign(this, { exports, words });
  }

  get state() {
    return this.exports.asyncify_get_state();
  }

  beginUnwind(buffer) {
    const { words } = this;
    words.write(buffer.at, buffer.at + 2 * words.width);
    words.write(buffer.at + words.width, buffer.end);
    this.exports.asyncify_start_unwind(words.address(buffer.at));
  }

  endUnwind() {
    this.exports.asyncify_stop_unwind();
  }

  beginRewind(buffer) {
    this.words.write(buffer.at, (buffer.used ??= this.words.read(buffer.at)));
    this.exports.asyncify_start_rewind(this.words.address(buffer.at));
  }

  endRewind() {
    this.exports.asyncify_stop_rewind();
  }

  release() {}

  /** It saves no globals: those that can be seen from outside (__stack_pointer is the one) are copied. */
  copyGlobals(parent) {
    for (const [name, global] of Object.entries(parent)) {
      const own = this.exports[name];
      if (global instanceof WebAssembly.Global && own !== global && own.value !== global.value) own.value = global.value;
    }
  }

  used(buffer) {
    return this.words.read(buffer.at) - buffer.at;
  }
}

/** The protocol of an instance; null if it is not instrumented. */
export const protocolOf = (exports, words) => {
  const Protocol = [WpkFork, Asyncify].find(({ isSpokenBy }) => isSpokenBy(exports));
  return Protocol ? new Protocol(exports, words) : null;
};
