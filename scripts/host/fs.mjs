// The guests' file system: a tree in memory. Nothing of the machine's own files is in it but what was put there.
import { encode } from './memory.mjs';

export const S_IFREG = 0o100000;
export const S_IFDIR = 0o040000;
export const S_IFCHR = 0o020000;
export const S_IFIFO = 0o010000;
const S_IFMT = 0o170000;

export class Node {
  static #next = 1;

  constructor(mode, data = new Uint8Array(0)) {
    this.ino = Node.#next++;
    this.mode = mode;
    this.children = mode & S_IFDIR ? new Map() : null;
    this.data = data; // may be longer than the file: `size` bytes count
    this.size = data.length;
    this.module = null; // the compiled program, once it has been run
    this.host = null; // what runs it, then
    this.resumes = null; // its resume module, if it has one: bytes, or compiled
  }

  get isDirectory() {
    return (this.mode & S_IFMT) === S_IFDIR;
  }

  get isDevice() {
    return (this.mode & S_IFMT) === S_IFCHR;
  }

  content() {
    return this.data.subarray(0, this.size);
  }

  /** Writes at `at`, growing by doubling. */
  write(at, bytes) {
    const end = at + bytes.length;
    if (end > this.data.length) {
      const larger = new Uint8Array(Math.max(64, 2 * end));
      larger.set(this.content());
      this.data = larger;
    }
    this.data.set(bytes, at);
    this.size = Math.max(this.size, end);
    this.module = null;
  }

  truncate(size) {
    if (size > this.size) this.write(size, new Uint8Array(0));
    else this.data.fill(0, size, this.size);
    this.size = size;
    this.module = null;
  }
}

const split = (path) => {
  const cut = path.lastIndexOf('/');
  return [path.slice(0, cut) || '/', path.slice(cut + 1)];
};

/** Paths here are absolute and normal; `resolve` makes them so. */
export class FileSystem {
  constructor() {
    this.root = new Node(S_IFDIR | 0o755);
    for (const path of ['/bin', '/dev', '/etc', '/tmp', '/usr', '/usr/bin', '/proc']) this.makeDirectory(path);
    for (const path of ['/dev/null', '/dev/tty']) this.link(path, new Node(S_IFCHR | 0o666));
    this.writeFile('/etc/passwd', 'root:x:0:0:root:/:/bin/sh\n');
  }

  static resolve(from, path) {
    const parts = [];
    for (const part of (path.startsWith('/') ? path : `${from}/${path}`).split('/')) {
      if (part === '..') parts.pop();
      else if (part !== '' && part !== '.') parts.push(part);
    }
    return '/' + parts.join('/');
  }

  /** The node at `path`, or null. */
  find(path) {
    let node = this.root;
    for (const part of path.split('/')) {
      if (!part) continue;
      node = node.children?.get(part);
      if (!node) return null;
    }
    return node;
  }

  /** Gives `node` the name `path`; false when there is no folder for it. */
  link(path, node) {
    const [folder, name] = split(path);
    const children = this.find(folder)?.children;
    children?.set(name, node);
    return !!children;
  }

  /** Takes the name away; false when there is none. */
  unlink(path) {
    const [folder, name] = split(path);
    return this.find(folder)?.children?.delete(name) ?? false;
  }

  makeDirectory(path) {
    return this.link(path, new Node(S_IFDIR | 0o755));
  }

  writeFile(path, content, mode = 0o755) {
    const node = new Node(S_IFREG | mode, typeof content === 'string' ? encode(content) : content);
    if (!this.link(path, node)) throw new Error(`no folder for ${path}`);
    return node;
  }
}
