// Times one program's work in several builds of its module side by side, in one process, where all of their code is compiled:
//
//   node steady.mjs '{"program": NAME, "modules": [FILE…], "rounds": N, "warm": N, "input": TEXT, "glue": FILE}'
//
// The first `warm` rounds are not counted. Each round runs all modules, each time in another order. Prints JSON: for each round the
// milliseconds of CPU time of this thread for each module. Fails if a module prints anything else than the first one.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import { programs } from './programs.mjs';

const { program, modules, rounds, warm, ...given } = JSON.parse(process.argv[2]);
given.require = createRequire(import.meta.url);

const runs = [];
for (const file of modules) runs.push(await programs[program](file, given));
const times = [];
let expected;
for (let round = 0; round < warm + rounds; round++) {
  const measured = [];
  for (let i = 0; i < runs.length; i++) {
    const turn = (i + round) % runs.length;
    const start = process.threadCpuUsage();
    const output = await runs[turn]();
    const { user, system } = process.threadCpuUsage(start);
    measured[turn] = (user + system) / 1000;
    expected ??= output;
    if (!output || output !== expected) throw new Error(`${modules[turn]}: prints ${output}, not ${expected}`);
  }
  if (round >= warm) times.push(measured);
}
fs.writeSync(1, JSON.stringify(times));
