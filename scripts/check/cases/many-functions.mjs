// A case of scripts/check/limits.
//
//   node many-functions.mjs --write COUNT FILE: a module of so many functions, each of which calls the one a thousand before it, the first thousand the entry
//   node many-functions.mjs ORIGINAL INSTRUMENTED: an unwind out of the last, and a rewind in the same and in a fresh instance, against the original
import fs from 'node:fs';
import { compare } from './unwound.mjs';

const STEP = 1000;

const leb = (number) => {
  const bytes = [];
  for (; number > 127; number >>>= 7) bytes.push((number & 127) | 128);
  return [...bytes, number];
};
const signed = (number) => {
  const bytes = [];
  for (; number > 63 || number < -64; number >>= 7) bytes.push((number & 127) | 128);
  return [...bytes, number & 127];
};
const text = (string) => [string.length, ...Buffer.from(string)];
const section = (id, contents) => [Buffer.from([id, ...leb(contents.length)]), contents];

const write = (count, file) => {
  // Function 0 is the entry, and 1 the first of them.
  const bodies = Array.from({ length: count }, (_, i) => {
    const call = i < STEP ? [0x10, 0] : [0x20, 0, 0x10, ...leb(i + 1 - STEP)];
    const body = [0, ...call, 0x20, 0, 0x6a, 0x41, ...signed(i & 1023), 0x73, 0x0b];
    return Buffer.from([...leb(body.length), ...body]);
  });
  const parts = [
    Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]),
    section(1, Buffer.from([2, 0x60, 0, 1, 0x7f, 0x60, 1, 0x7f, 1, 0x7f])),
    section(2, Buffer.from([1, ...text('env'), ...text('fork'), 0, 0])),
    section(3, Buffer.concat([Buffer.from(leb(count)), Buffer.alloc(count, 1)])),
    section(5, Buffer.from([1, 0, 16])),
    section(7, Buffer.from([2, ...text('memory'), 2, 0, ...text('run'), 0, ...leb(count)])),
    section(10, Buffer.concat([Buffer.from(leb(count)), ...bodies])),
  ];
  fs.writeFileSync(file, Buffer.concat(parts.flat()));
};

const [first, second, file] = process.argv.slice(2);
if (first === '--write') write(+second, file);
else compare(first, second);
