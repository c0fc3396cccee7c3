// Times the loops of calls.wat in each of the modules given, in turns; prints the nanoseconds of CPU time that a call takes,
// as JSON: for each round, for each module, for each loop.
//
//   node calls.mjs ROUNDS MODULE...
//
// A module whose loop of other types' calls traps has null there.
import fs from 'node:fs';

const CALLS = 4_000_000;
const LOOPS = [['one', 0], ['eight', 0], ['others', 8]];
const [rounds, ...files] = process.argv.slice(2);

const modules = files.map((file) => new WebAssembly.Instance(new WebAssembly.Module(fs.readFileSync(file))).exports);
const work = modules.map((exports) =>
  LOOPS.map(([loop, slot]) => {
    const run = (calls) => exports[loop](calls, slot);
    try {
      // Enough for the optimising compiler to have finished.
      for (let i = 0; i < 3000; i++) run(1000);
    } catch {
      return null;
    }
    return run;
  }),
);
await new Promise((done) => setTimeout(done, 200));
const sums = LOOPS.map(() => new Set());
const times = Array.from({ length: Number(rounds) }, () =>
  work.map((loops) =>
    loops.map((run, loop) => {
      if (!run) return null;
      const start = process.cpuUsage();
      sums[loop].add(run(CALLS));
      return (process.cpuUsage(start).user * 1000) / CALLS;
    }),
  ),
);
if (sums.some(({ size }) => size > 1)) throw new Error('the modules compute different things');
console.log(JSON.stringify(times));
