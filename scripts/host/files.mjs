// Open files: what a descriptor stands for, shared by the descriptors that dup and fork make of it.
//
// Reading and writing return a count of bytes (or the bytes), a negative error number, or BLOCKED when the caller must
// wait and try again. `poll` returns the events that are ready.
import { E } from './errno.mjs';
import { S_IFCHR, S_IFIFO } from './fs.mjs';

export const BLOCKED = Symbol('blocked');
export const POLLIN = 1;
export const POLLOUT = 4;
export const POLLERR = 8;
export const POLLHUP = 16;
export const POLLNVAL = 32;

export const O_ACCMODE = 3;
export const O_APPEND = 0o2000;

const nothing = new Uint8Array(0);

export class OpenFile {
  references = 0;
  flags = 2;

  read() {
    return -E.BADF;
  }

  write() {
    return -E.BADF;
  }

  poll() {
    return POLLIN | POLLOUT;
  }

  /** What fstat tells: at least mode and ino. */
  get node() {
    return { mode: S_IFCHR | 0o620, ino: 0, size: 0 };
  }

  /** Nothing but a terminal knows such requests. */
  ioctl() {
    return -E.NOTTY;
  }

  /** The last descriptor was closed. */
  released() {}
}

/** /dev/null and the like: no input, and output vanishes. */
export class NullFile extends OpenFile {
  read() {
    return nothing;
  }

  write(bytes) {
    return bytes.length;
  }
}

/** Standard input with a known content. */
export class Input extends OpenFile {
  constructor(bytes) {
    super();
    this.rest = bytes;
  }

  read(max) {
    const bytes = this.rest.subarray(0, max);
    this.rest = this.rest.subarray(bytes.length);
    return bytes;
  }
}

/** Standard output or standard error of the whole system. */
export class Output extends OpenFile {
  constructor(sink) {
    super();
    this.sink = sink;
  }

  write(bytes) {
    this.sink(bytes.slice());
    return bytes.length;
  }
}

/** A file or a folder of the file system. */
export class RegularFile extends OpenFile {
  #node;
  position = 0; // in a folder: the number of the next entry

  constructor(node, path, flags) {
    super();
    this.#node = node;
    this.path = path;
    this.flags = flags;
  }

  get node() {
    return this.#node;
  }

  read(max) {
    if (this.#node.isDirectory) return -E.ISDIR;
    const bytes = this.#node.content().slice(this.position, this.position + max);
    this.position += bytes.length;
    return bytes;
  }

  write(bytes) {
    if ((this.flags & O_ACCMODE) === 0) return -E.BADF;
    if (this.flags & O_APPEND) this.position = this.#node.size;
    this.#node.write(this.position, bytes);
    this.position += bytes.length;
    return bytes.length;
  }
}

const PIPE_CAPACITY = 65536;

class Pipe {
  chunks = [];
  size = 0;
  readers = 1;
  writers = 1;

  /** @param {() => void} changed called whenever who waits for the pipe should look again */
  constructor(changed) {
    this.changed = changed;
  }
}

class PipeEnd extends OpenFile {
  constructor(pipe, flags) {
    super();
    this.pipe = pipe;
    this.flags = flags;
  }

  get node() {
    return { mode: S_IFIFO | 0o600, ino: 0, size: 0 };
  }
}

class PipeReader extends PipeEnd {
  read(max) {
    const { pipe } = this;
    if (!pipe.chunks.length) return pipe.writers ? BLOCKED : nothing;
    let bytes = pipe.chunks.shift();
    if (bytes.length > max) {
      pipe.chunks.unshift(bytes.subarray(max));
      bytes = bytes.subarray(0, max);
    }
    pipe.size -= bytes.length;
    pipe.changed();
    return bytes;
  }

  poll() {
    return (this.pipe.chunks.length ? POLLIN : 0) | (this.pipe.writers ? 0 : POLLHUP);
  }

  released() {
    this.pipe.readers--;
    this.pipe.changed();
  }
}

class PipeWriter extends PipeEnd {
  /** Takes all or nothing: a write larger than the capacity goes in when the pipe is empty. */
  write(bytes) {
    const { pipe } = this;
    if (!pipe.readers) return -E.PIPE;
    if (!bytes.length) return 0;
    if (pipe.size && pipe.size + bytes.length > PIPE_CAPACITY) return BLOCKED;
    pipe.chunks.push(bytes.slice());
    pipe.size += bytes.length;
    pipe.changed();
    return bytes.length;
  }

  poll() {
    return this.pipe.readers ? (this.pipe.size < PIPE_CAPACITY ? POLLOUT : 0) : POLLERR;
  }

  released() {
    this.pipe.writers--;
    this.pipe.changed();
  }
}

/** Both ends of a new pipe. */
export const makePipe = (changed) => {
  const pipe = new Pipe(changed);
  return [new PipeReader(pipe, 0), new PipeWriter(pipe, 1)];
};
