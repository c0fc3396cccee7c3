// Runs a WASI command, original or instrumented, with unwinds and rewinds forced on it:
//
//   node wasi.mjs '{"file": …, "mode": …, "entries": [MODULE.NAME…], "argv0": …, "args": […], "dirs": {…}, "env": {…},
//                  "stubs": …, "stats": FILE, "resumes": …}'
//
//   resumes  the file of its resume module, if it has one: compiled and instantiated when the stack is unwound for the first time
//   mode  off      the entries are called as they are
//         same     each call of an entry unwinds the stack, rewinds it in the same instance, and then does its work
//         fresh    the same, but rewinding a new instance over a copy of the memory, which goes on in place of the old
//         twin     the same as `same`, but before that, a new instance over a copy of the memory is rewound from the same
//                  frames up to the entry, and thrown away there
//         refused  the buffer has too little room for the frames: each call is undone, at another depth each time
//
// In all of them, a call below a function that is not prepared is undone, and does its work then.
//
// The buffer is small at first, so that larger modules also need the way back out of a buffer without room. Writes
// counts to the file `stats`; exits as the command does, and with 70 when anything is wrong.
import fs from 'node:fs';
import { WASI } from 'node:wasi';
import { trap } from '../host/leave.mjs';
import { GuestMemory } from '../host/memory.mjs';
import { spoken } from '../lib/spoken.mjs';

const { file, mode, entries, argv0, args = [], dirs = {}, env = {}, stubs, stats, resumes } = JSON.parse(process.argv[2]);
const FIRST_ROOM = 256;
const ROOM = 1 << 20; // where what doesn't fit traps
const NORMAL = 0;
const UNWINDING = 1;
const REWINDING = 2;
const NO_ROOM = 3;
const ENOSYS = 52;

const module = new WebAssembly.Module(fs.readFileSync(file));
const counts = { calls: 0, unwinds: 0, rewinds: 0, refused: 0, unprepared: 0, deepest: 0 };

const isOld = WebAssembly.Module.imports(module).some((item) => item.module === 'wasi_unstable');
const wasi = new WASI({ version: isOld ? 'unstable' : 'preview1', args: [argv0, ...args], env, preopens: dirs });
// WASI's functions work on one memory, which Node lets one set once only. A rewound instance has its own: the setter
// behind the public method is needed again and again.
const setMemory = Object.getOwnPropertySymbols(wasi).find(({ description }) => description === 'kSetMemory');
if (!setMemory) throw new Error('this Node keeps its WASI memory elsewhere; Node 26 is expected');

let resumeModule = null; // compiled
let instance; // the one that runs
let protocol; // how it is spoken to
let canResume = false; // whether it has its resume functions
let memory; // its memory
let buffer = null; // { at, end, start }; the same in a copy of the memory
let pending = null; // the arguments of the entry's call that is being unwound and rewound
let isTwin = false; // the instance that runs is to be thrown away in the entry
let left = null; // why the guest was left by a trap

const leave = (reason) => {
  left = reason;
  trap();
};

const use = (next) => {
  instance = next;
  protocol = spoken(instance.exports, () => memory.view);
  canResume = false;
  memory = new GuestMemory(instance.exports.memory);
  wasi[setMemory](instance.exports.memory);
};

const allocate = (room) => {
  buffer = { at: memory.allocate(room), start: 0 };
  buffer.end = buffer.at + room;
};

/** Gives the instance its resume functions. A stack that is rewound runs through them, and so does one for which there is no room. */
const prepare = () => {
  if (canResume || !resumes) return;
  resumeModule ??= new WebAssembly.Module(fs.readFileSync(resumes));
  new WebAssembly.Instance(resumeModule, { wpk_fork: instance.exports });
  canResume = true;
};

const unwind = () => {
  prepare();
  if (mode === 'refused') buffer.end = buffer.at + 8 + ((counts.refused * 20) % 512);
  memory.view.setUint32(buffer.at + 4, buffer.end, true);
  protocol.wpk_fork_unwind_begin(buffer.at);
  buffer.start = memory.view.getUint32(buffer.at, true);
};

const checkBuffer = () => {
  if (memory.view.getUint32(buffer.at, true) !== buffer.start) throw new Error('the position did not come back');
};

const sameArguments = (a, b) => a.length === b.length && a.every((value, i) => Object.is(value, b[i]));

/** The import of an entry, around what it really does. */
const storm = (work) => {
  return (...values) => {
    switch (protocol.wpk_fork_state()) {
      case NORMAL:
        counts.calls++;
        pending = values;
        if (!buffer) allocate(protocol === instance.exports ? FIRST_ROOM : ROOM);
        unwind();
        return 0;
      case REWINDING:
        protocol.wpk_fork_rewind_end();
        checkBuffer();
        if (!sameArguments(values, pending)) throw new Error(`called with ${pending}, and again with ${values}`);
        if (isTwin) leave('twin');
        return work(...values);
      case NO_ROOM: {
        const isUnprepared = (instance.exports.wpk_fork_unprepared?.() ?? -1) !== -1;
        protocol.wpk_fork_rewind_end();
        checkBuffer();
        if (!sameArguments(values, pending)) throw new Error(`called with ${pending}, undone with ${values}`);
        if (isUnprepared) {
          counts.unprepared++;
          return work(...values);
        }
        if (mode === 'refused') {
          counts.refused++;
          return work(...values);
        }
        allocate(2 * (buffer.end - buffer.at));
        unwind();
        return 0;
      }
      default:
        throw new Error('an entry was called during an unwind');
    }
  };
};

const imports = {};
for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
  if (kind !== 'function') throw new Error(`the import ${from}.${name} is no function`);
  let work = from.startsWith('wasi_') ? wasi.wasiImport[name] : undefined;
  if (!work && !stubs) throw new Error(`nothing for the import ${from}.${name}`);
  work ??= () => ENOSYS;
  if (name === 'proc_exit') work = (status) => leave({ status });
  (imports[from] ??= {})[name] = work;
  if (!entries.includes(`${from}.${name}`)) continue;
  imports[from][name] = mode === 'off' ? (...values) => (counts.calls++, work(...values)) : storm(work);
}
const instantiate = () => new WebAssembly.Instance(module, imports);

/** A new instance over a copy of the memory. */
const copy = () => {
  const from = memory;
  use(instantiate());
  memory.copyFrom(from);
};

/** Calls _start; returns what it was left by: { status }, 'twin', or null for a return. */
const call = () => {
  try {
    instance.exports._start();
    return null;
  } catch (error) {
    if (!left) throw error;
    const reason = left;
    left = null;
    return reason;
  }
};

const rewind = ({ fresh }) => {
  counts.rewinds++;
  prepare();
  const { wpk_fork_rewind_begin, wpk_fork_resume_begin } = protocol;
  (fresh ? wpk_fork_rewind_begin : wpk_fork_resume_begin)(buffer.at);
  return call();
};

/** Up to the end of the command; returns its status. */
const run = () => {
  use(instantiate());
  let outcome = call();
  for (;;) {
    if (outcome) return outcome.status;
    if (protocol.wpk_fork_state?.() !== UNWINDING) return 0;
    protocol.wpk_fork_unwind_end();
    counts.unwinds++;
    counts.deepest = Math.max(counts.deepest, memory.view.getUint32(buffer.at, true) - buffer.at);
    if (mode === 'twin') {
      const parent = instance;
      copy();
      isTwin = true;
      if (rewind({ fresh: true }) !== 'twin') throw new Error('the twin did not come back to the entry');
      isTwin = false;
      use(parent);
    }
    if (mode === 'fresh') copy();
    outcome = rewind({ fresh: mode === 'fresh' });
  }
};

try {
  process.exitCode = run();
} catch (error) {
  console.error(error);
  process.exitCode = 70;
}
fs.writeFileSync(stats, JSON.stringify(counts));
