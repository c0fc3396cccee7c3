// Runs an instrumented module that forks: node host.mjs MODULE [RESUME_MODULE]
import { readFileSync } from "node:fs";

const NORMAL = 0, UNWINDING = 1, REWINDING = 2, NO_ROOM = 3;
const BUFFER_BYTES = 65536;
const EAGAIN = 11;

const [file, resumeFile] = process.argv.slice(2);
const module = new WebAssembly.Module(readFileSync(file));
let resumeModule; // compiled when it is first needed
const waiting = []; // processes whose stack is in their memory, to be rewound
let lastPid = 1;

class Process {
  constructor(pid, parent) {
    this.pid = pid;
    const instance = new WebAssembly.Instance(module, {
      kernel: { kernel_fork: () => this.fork() },
      env: { print: (text, length, number) => this.print(text, length, number) },
    });
    this.wasm = instance.exports;
    this.memory = this.wasm.memory;
    if (parent) {
      this.buffer = parent.buffer;
      this.memory.grow((parent.memory.buffer.byteLength - this.memory.buffer.byteLength) / 65536);
      new Uint8Array(this.memory.buffer).set(new Uint8Array(parent.memory.buffer));
    } else {
      // The buffer is a page of its own, which the program doesn't know of.
      this.buffer = this.memory.grow(BUFFER_BYTES / 65536) * 65536;
    }
  }

  // Gives the instance its resume functions, where those are in a module of their own.
  prepare() {
    if (!resumeFile || this.canResume) return;
    resumeModule ??= new WebAssembly.Module(readFileSync(resumeFile));
    new WebAssembly.Instance(resumeModule, { wpk_fork: this.wasm });
    this.canResume = true;
  }

  // The entry: called once by the program, and again at the end of each rewind.
  fork() {
    switch (this.wasm.wpk_fork_state()) {
      case NORMAL: {
        this.prepare();
        const end = this.buffer + BUFFER_BYTES;
        new DataView(this.memory.buffer).setUint32(this.buffer + 4, end, true);
        this.wasm.wpk_fork_unwind_begin(this.buffer);
        return 0; // nobody sees it
      }
      case REWINDING:
        this.wasm.wpk_fork_rewind_end();
        return this.forkResult;
      case NO_ROOM:
        this.wasm.wpk_fork_rewind_end();
        return -EAGAIN;
    }
  }

  // Calls the export from its start (`rewind` false) or from where its stack was saved.
  run(rewind) {
    if (rewind) {
      this.prepare();
      this.wasm.wpk_fork_rewind_begin(this.buffer);
    }
    this.wasm.run(80); // on a rewind the arguments don't matter
    if (this.wasm.wpk_fork_state() !== UNWINDING) return; // the program has ended
    this.wasm.wpk_fork_unwind_end();
    const child = new Process(++lastPid, this); // before the parent's memory changes
    child.forkResult = 0;
    this.forkResult = child.pid;
    waiting.push(this, child);
  }

  print(text, length, number) {
    const bytes = new Uint8Array(this.memory.buffer, text, length);
    console.log(`process ${this.pid}: ${new TextDecoder().decode(bytes)} ${number}`);
  }
}

new Process(lastPid).run(false);
while (waiting.length > 0) waiting.shift().run(true);
