// A guest's memory as its system calls see it. Views are made anew each time: growing the memory detaches old ones.
const decoder = new TextDecoder();
const encoder = new TextEncoder();
export const encode = (text) => encoder.encode(text);
export const decode = (bytes) => decoder.decode(bytes);

export const PAGE = 65536;

export class GuestMemory {
  /** @param {WebAssembly.Memory} memory */
  constructor(memory) {
    this.memory = memory;
  }

  get bytes() {
    return new Uint8Array(this.memory.buffer);
  }

  get view() {
    return new DataView(this.memory.buffer);
  }

  /** Adds at least `size` bytes at the end of the memory and returns their address. */
  allocate(size) {
    return this.memory.grow(Math.ceil(size / PAGE)) * PAGE;
  }

  /** The C string at `at`. */
  string(at) {
    const { bytes } = this;
    const start = at >>> 0;
    return decode(bytes.slice(start, bytes.indexOf(0, start)));
  }

  /** The array of C strings at `at`, up to its null pointer. */
  strings(at) {
    const { view } = this;
    const found = [];
    for (let p = at; view.getUint32(p, true); p += 4) found.push(this.string(view.getUint32(p, true)));
    return found;
  }

  /** An array of `count` iovec structures at `at`, as [address, length] pairs. */
  vectors(at, count) {
    const { view } = this;
    return Array.from({ length: count }, (_, i) => [view.getUint32(at + 8 * i, true), view.getUint32(at + 8 * i + 4, true)]);
  }

  /** Makes this memory equal to `other`, which is at least as large. */
  copyFrom(other) {
    const missing = other.memory.buffer.byteLength - this.memory.buffer.byteLength;
    if (missing > 0) this.memory.grow(missing / PAGE);
    this.bytes.set(other.bytes);
  }
}
