// Records a profile while a program runs: whose the frames are that its forks save, and who was unprepared where one failed.
//
//   stack(words, frames)  a stack has been unwound, and lies in this buffer of a memory
//   failed(guest)         an entry has failed: notes the function outside the closure that the unwind came through, if one stopped it
//   write(path)           the profile, for `wasm-fork … --profile`; `wasm-fork profile merge --module` adds names to it
//
// A profile has one line for each function, whichever process of the program it was seen in.

// What a frame ends with: see the guide on buffers.
const MARK_BYTES = 8;
const MOST_SITES = 0x7ffffn;
const NOBODY = 0xffffffff;

/** The functions whose frames lie between `start` and `end` of a memory, each once. */
export const owners = (view, start, end) => {
  const found = new Set();
  while (end > start) {
    const mark = view.getBigUint64(end - MARK_BYTES, true);
    const bytes = Number((mark >> 20n) & 0x3ffffn) * 4;
    if (bytes < MARK_BYTES || bytes > end - start || ((mark >> 38n) & MOST_SITES) === 0n)
      throw new Error(`no frame ends at ${end.toString(16)}`);
    // Those of other modules are for their own profiles.
    if (mark >> 57n === 0n) found.add(Number(mark & 0xfffffn));
    end -= bytes;
  }
  return found;
};

export class Recorder {
  constructor() {
    this.stacks = 0;
    this.counts = new Map(); // by function index
  }

  #add(functions) {
    this.stacks++;
    for (const index of functions) this.counts.set(index, (this.counts.get(index) ?? 0) + 1);
  }

  stack(words, frames) {
    const view = new DataView(words.memory.buffer);
    this.#add(owners(view, frames.start, words.read(frames.at)));
  }

  failed({ exports }) {
    const unprepared = exports.wpk_fork_unprepared ? exports.wpk_fork_unprepared() >>> 0 : NOBODY;
    if (unprepared !== NOBODY) this.#add([unprepared]);
  }

  write(path) {
    if (this.stacks === 0) throw new Error('no stack was seen, so there is no profile: the program never forked');
    const functions = [...this.counts].map(([index, count]) => ({ index, count })).sort((a, b) => a.index - b.index);
    // Where there are no files, there is nothing to import either.
    process.getBuiltinModule('node:fs').writeFileSync(path, `${JSON.stringify({ version: 1, stacks: this.stacks, functions }, null, 1)}\n`);
  }
}
