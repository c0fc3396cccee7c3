// Times fib(33) in each of the modules given, in turns; prints the CPU time of each, round by round, as JSON.
//
//   node fib.mjs ROUNDS MODULE...
import fs from 'node:fs';

const [rounds, ...files] = process.argv.slice(2);
const functions = files.map((file) => {
  const module = new WebAssembly.Module(fs.readFileSync(file));
  return new WebAssembly.Instance(module, { env: { entry: () => 0 } }).exports.fib;
});
// Enough calls for the optimising compiler to have finished with all of them.
for (let i = 0; i < 5; i++) for (const fib of functions) fib(27);
const times = Array.from({ length: Number(rounds) }, () =>
  functions.map((fib) => {
    const start = process.cpuUsage();
    if (fib(33) !== 3524578) throw new Error('fib(33) is wrong');
    return process.cpuUsage(start).user;
  }),
);
console.log(JSON.stringify(times));
