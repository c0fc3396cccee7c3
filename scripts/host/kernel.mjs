// The kernel: the processes, the file system they share, and who waits for what.
//
// All processes run in one JavaScript thread. A guest gives up the thread only in a system call that must wait: the
// call suspends the guest's whole stack (JSPI) until something has changed. So a run is deterministic as long as no
// guest asks for the time.
import { FileSystem } from './fs.mjs';
import { Input, NullFile, Output } from './files.mjs';
import { WpkFork } from './fork.mjs';
import { decode, encode } from './memory.mjs';
import { Process } from './process.mjs';

const concat = (chunks) => {
  const all = new Uint8Array(chunks.reduce((size, chunk) => size + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
};

export class Kernel {
  /**
   * @param {object} options
   * @param {object} [options.fork] the fork protocol, from fork.mjs
   * @param {string|null} [options.stdin] what the first program reads
   * @param {number} [options.verbose] 1 reports forks, 2 also every system call
   */
  constructor({ fork = new WpkFork(), stdin = null, verbose = 0 } = {}) {
    if (typeof WebAssembly.Suspending !== 'function')
      throw new Error('this host suspends guests with JSPI, which this Node does not have; Node 26 does');
    Object.assign(this, { fork, stdin, verbose });
    this.fs = new FileSystem();
    this.processes = new Map();
    this.nextPid = 1;
    this.sleepers = [];
    this.output = { 1: [], 2: [] };
    this.forks = 0;
    this.crashes = []; // guests that ended by a trap of their own, as text
    this.missing = new Set(); // system calls that were asked for and are not there
  }

  /** Everyone who waits looks again whether it still must. */
  wake() {
    for (const resume of this.sleepers.splice(0)) resume();
  }

  /** Resolves at the next wake. */
  sleep() {
    return new Promise((resume) => this.sleepers.push(resume));
  }

  log(level, ...text) {
    if (this.verbose >= level) console.error(...text);
  }

  /** Runs the program at `path` until it and all that it started have ended. */
  async run(path, argv, env = ['PATH=/bin', 'HOME=/']) {
    const first = new Process(this, 0);
    first.image = { path, argv, env };
    first.descriptors.open(0, this.stdin === null ? new NullFile() : new Input(encode(this.stdin)));
    for (const fd of [1, 2]) first.descriptors.open(fd, new Output((bytes) => this.output[fd].push(bytes)));
    const status = await first.run();
    while ([...this.processes.values()].some((process) => !process.dead)) await this.sleep();
    return {
      // as a shell reports it
      status: status & 127 ? 128 + (status & 127) : status >> 8,
      stdout: decode(concat(this.output[1])),
      stderr: decode(concat(this.output[2])),
      forks: this.forks,
      refused: this.fork.refused,
      crashes: this.crashes,
      missing: [...this.missing],
    };
  }
}
