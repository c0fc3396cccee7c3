// Runs an instrumented shape with fork buffers of every size, from none to enough:
//
//   node no-room.mjs MODULE EXPECTED EXPECTED_WHERE_FORK_FAILS [RESUME_MODULE]
//
// In each, every fork either works or fails with an error; the program goes on in any case, and the bytes behind the
// buffer are left alone (the host checks them). A buffer so small that every fork fails must give the second output; one
// in which none fails the first.
import fs from 'node:fs';
import { Kernel } from '../../host/kernel.mjs';

const [file, ...rest] = process.argv.slice(2);
const [texts, [resumes]] = [rest.slice(0, 2), rest.slice(2)];
const bytes = new Uint8Array(fs.readFileSync(file));
const module = await WebAssembly.compile(bytes);
const resumeModule = resumes ? await WebAssembly.compile(fs.readFileSync(resumes)) : null;
const [working, failing] = texts.map((text) => fs.readFileSync(text, 'utf8'));
const sorted = (text) => text.split(/(?<=\n)/).sort().join('');

// The position and the end are always there.
const HEADER = 8;
// Sizes that are no multiple of a frame's alignment come up too.
const STEP = 12;
const ENOUGH = 1 << 20;

const attempt = async (room) => {
  const kernel = new Kernel({ room, fixed: true });
  const program = kernel.fs.writeFile('/bin/shape', bytes);
  Object.assign(program, { module, resumes: resumeModule });
  const result = await kernel.run('/bin/shape', ['shape']);
  const text = `${sorted(result.stdout)}status ${result.status}\n`;
  if (result.crashes.length) throw new Error(`with ${room} bytes: ${result.crashes[0]}`);
  if (!result.refused && text !== working) throw new Error(`with ${room} bytes every fork worked, yet it printed\n${text}`);
  if (!result.forks && text !== failing) throw new Error(`with ${room} bytes every fork failed, yet it printed\n${text}`);
  return result;
};

const enough = await attempt(ENOUGH);
if (!enough.forks || enough.refused) throw new Error('the shape did not fork');
let first = null;
let last = null;
let sizes = 0;
for (let room = HEADER; last === null; room += STEP, sizes++) {
  if (room > ENOUGH) throw new Error('no size was enough');
  const result = await attempt(room);
  if (room === HEADER && result.forks) throw new Error('a fork worked without any room');
  if (result.forks) first ??= room;
  if (!result.refused) last = room;
}
console.log(`${sizes} sizes; the first fork fits into ${first} bytes, all of them into ${last}`);
