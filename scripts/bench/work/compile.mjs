// node compile.mjs ROUNDS MODULE...: compiles each module, in turns; prints JSON: for each round the milliseconds of CPU time of all
// threads for each. V8 keeps what it compiled for modules with the same bytes that are alive, so the bytes differ each time.
import fs from 'node:fs';

const [rounds, ...files] = process.argv.slice(2);
const modules = files.map((file) => fs.readFileSync(file));
const times = [];
for (let round = 0; round < Number(rounds); round++) {
  const measured = [];
  for (let i = 0; i < modules.length; i++) {
    const turn = (i + round) % modules.length;
    // A custom section that is different each time: id 0, six bytes, a name of one, and a number.
    const mark = Buffer.alloc(8);
    mark.set([0, 6, 1, 120]);
    mark.writeUInt32LE(round * modules.length + i, 4);
    const bytes = Buffer.concat([modules[turn], mark]);
    const start = process.cpuUsage();
    new WebAssembly.Module(bytes);
    const { user, system } = process.cpuUsage(start);
    measured[turn] = (user + system) / 1000;
  }
  times.push(measured);
}
console.log(JSON.stringify(times));
