// Times an unwind, a rewind and the rest of the run of a deep stack in each of the modules given, in turns; prints nanoseconds of
// CPU time a frame, round by round, as JSON. A module with `asyncify_*` exports is driven by that protocol.
//
//   node frames.mjs ROUNDS DEPTH TIMES MODULE...
import fs from 'node:fs';

const [rounds, depth, times, ...files] = process.argv.slice(2);
const [DEPTH, TIMES] = [Number(depth), Number(times)];
const BUFFER = 1024;

/** Runs down to the entry and back, with an unwind and a rewind between; the result. */
function driver(file) {
  let exports;
  let protocol;
  const entry = () => (protocol.isRewinding() ? (protocol.endRewind(), 5) : (protocol.beginUnwind(), 0));
  ({ exports } = new WebAssembly.Instance(new WebAssembly.Module(fs.readFileSync(file)), { env: { entry } }));
  const header = new Uint32Array(exports.memory.buffer, BUFFER, 2);
  const end = exports.memory.buffer.byteLength;
  if (exports.asyncify_get_state) {
    protocol = {
      isRewinding: () => exports.asyncify_get_state() === 2,
      beginUnwind: () => (header.set([BUFFER + 8, end]), exports.asyncify_start_unwind(BUFFER)),
      endUnwind: exports.asyncify_stop_unwind,
      beginRewind: () => exports.asyncify_start_rewind(BUFFER),
      endRewind: exports.asyncify_stop_rewind,
    };
  } else {
    protocol = {
      isRewinding: () => exports.wpk_fork_state() === 2,
      beginUnwind: () => ((header[1] = end), exports.wpk_fork_unwind_begin(BUFFER)),
      endUnwind: exports.wpk_fork_unwind_end,
      beginRewind: () => exports.wpk_fork_rewind_begin(BUFFER),
      endRewind: exports.wpk_fork_rewind_end,
    };
  }
  return () => {
    exports.down(DEPTH);
    protocol.endUnwind();
    protocol.beginRewind();
    return exports.down(DEPTH);
  };
}

const drivers = files.map(driver);
const expected = drivers[0]();
for (let i = 0; i < 300; i++) {
  for (const run of drivers) if (run() !== expected) throw new Error('a module gives something else');
}
const results = Array.from({ length: Number(rounds) }, () =>
  drivers.map((run) => {
    const start = process.cpuUsage();
    for (let i = 0; i < TIMES; i++) run();
    return (process.cpuUsage(start).user * 1000) / (TIMES * (DEPTH + 1));
  }),
);
console.log(JSON.stringify(results));
