// The kernel: the processes, the file system they share, and who waits for what.
//
// All processes run in one JavaScript thread. A guest gives up the thread only in a system call that must wait: the
// call suspends the guest's whole stack (JSPI) until something has changed. So a run is deterministic as long as no
// guest asks for the time.
import { FileSystem } from './fs.mjs';
import { Input, NullFile, Output } from './files.mjs';
import { ForkHost } from './fork-host.mjs';
import { decode, encode } from './memory.mjs';
import { Process } from './process.mjs';
import { Terminal } from './terminal.mjs';

export { Terminal };
export { Recorder } from './record.mjs';
export { ShimRecorder } from './shim-record.mjs';

const EAGAIN = 11;

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
   * @param {number} [options.room] how many bytes a stack's first buffer has
   * @param {boolean} [options.fixed] a fork that needs more fails, instead of getting more
   * @param {string|null} [options.stdin] what the first program reads
   * @param {Terminal|null} [options.terminal] a terminal, for all streams of the first program
   * @param {number} [options.verbose] 1 reports forks, 2 also every system call
   */
  constructor({ room, fixed = false, stdin = null, terminal = null, verbose = 0 } = {}) {
    if (typeof WebAssembly.Suspending !== 'function')
      throw new Error('this host suspends guests with JSPI, which this Node does not have; Node 26 does');
    Object.assign(this, { room, fixed, stdin, terminal, verbose });
    this.fs = new FileSystem();
    this.processes = new Map();
    this.nextPid = 1;
    this.sleepers = [];
    this.output = { 1: [], 2: [] };
    this.forks = 0;
    this.refused = 0;
    if (terminal) terminal.kernel = this;
    this.crashes = []; // guests that ended by a trap of their own, as text
    this.missing = new Set(); // system calls that were asked for and are not there
  }

  /** Gives a program of many tools, as busybox is one, the names of all of them, in /bin. Asks it which they are. */
  async install(program) {
    const asking = new Kernel();
    asking.fs.link('/bin/tools', program);
    const { stdout } = await asking.run('/bin/tools', ['busybox', '--list']);
    program.host = null; // that was another kernel's
    for (const name of stdout.split('\n')) if (name && !this.fs.find(`/bin/${name}`)) this.fs.link(`/bin/${name}`, program);
  }

  /** What runs a program; made when the program is run for the first time. */
  async hostOf(program) {
    program.module ??= await WebAssembly.compile(program.content());
    if (program.host?.module === program.module) return program.host;
    program.host = new ForkHost(program.module, {
      imports: Process.imports,
      suspending: true,
      room: this.room,
      fixed: this.fixed,
      resumes: program.resumes,
      onFork: (parent, child, bytes, frames) => {
        this.recorder?.stack(parent.words, frames);
        parent.context.forked(child, bytes);
      },
      onExit: (child) => child.context.left(null),
      onFailure: async (child, error) => {
        const process = child.context;
        process.left(error);
        if (!process.dead) await process.run();
      },
      onNoRoom: (guest) => {
        this.refused++;
        this.recorder?.failed(guest);
        return -EAGAIN;
      },
    });
    return program.host;
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
    if (this.terminal) {
      this.terminal.group = first.group;
      for (const fd of [0, 1, 2]) first.descriptors.open(fd, this.terminal);
    } else {
      first.descriptors.open(0, this.stdin === null ? new NullFile() : new Input(encode(this.stdin)));
      for (const fd of [1, 2]) first.descriptors.open(fd, new Output((bytes) => this.output[fd].push(bytes)));
    }
    const status = await first.run();
    while ([...this.processes.values()].some((process) => !process.dead)) await this.sleep();
    return {
      // as a shell reports it
      status: status & 127 ? 128 + (status & 127) : status >> 8,
      stdout: decode(concat(this.output[1])),
      stderr: decode(concat(this.output[2])),
      forks: this.forks,
      refused: this.refused,
      crashes: this.crashes,
      missing: [...this.missing],
    };
  }
}
