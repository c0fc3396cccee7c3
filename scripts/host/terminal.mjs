// A terminal: what was typed, as the programs see it, and what they show.
//
// The line discipline is the usual one. In canonical mode a program reads whole lines, which can be edited until Enter; Ctrl-C and the
// like become signals for the foreground's processes. A program may switch all of that off (raw mode), and then edits by itself.
import { E } from './errno.mjs';
import { BLOCKED, OpenFile, POLLIN, POLLOUT } from './files.mjs';
import { S_IFCHR } from './fs.mjs';
import { encode } from './memory.mjs';
import { SIGINT, SIGQUIT, SIGTSTP, SIGWINCH } from './signals.mjs';

// Bits of struct termios: input, output and local modes.
const ICRNL = 0o400;
const OPOST = 1;
const ONLCR = 4;
const ISIG = 1;
const ICANON = 2;
const ECHO = 8;
const ECHOE = 0o20;
const ECHOK = 0o40;

// Control characters, by their place in c_cc.
const VINTR = 0, VQUIT = 1, VERASE = 2, VKILL = 3, VEOF = 4, VMIN = 6, VSUSP = 10, VWERASE = 14;
const CONTROL = new Uint8Array(32);
CONTROL.set([3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22]);

const CR = 13, LF = 10, TAB = 9;

export class Terminal extends OpenFile {
  constructor(show, { rows = 24, columns = 80 } = {}) {
    super();
    this.show = show;
    Object.assign(this, { rows, columns });
    this.kernel = null;
    this.group = 0; // the foreground
    this.modes = { input: ICRNL, output: OPOST | ONLCR, control: 0o277, local: ISIG | ICANON | ECHO | ECHOE | ECHOK };
    this.characters = CONTROL.slice();
    this.line = []; // being typed
    this.lines = []; // to be read: arrays of bytes; an empty one is the end of the input
  }

  // ---- As a file

  get node() {
    return { mode: S_IFCHR | 0o620, ino: 3, size: 0 };
  }

  read(max) {
    if (!this.lines.length) return BLOCKED;
    const line = this.lines.shift();
    if (line.length > max) this.lines.unshift(line.splice(max));
    return Uint8Array.from(line);
  }

  write(bytes) {
    const { output } = this.modes;
    if (!(output & OPOST) || !(output & ONLCR)) this.show(bytes.slice());
    else this.show(Uint8Array.from([...bytes].flatMap((byte) => (byte === LF ? [CR, LF] : byte))));
    return bytes.length;
  }

  poll() {
    return POLLOUT | (this.lines.length ? POLLIN : 0);
  }

  // ---- What is typed

  /** What a person types, as bytes or text. */
  type(typed) {
    for (const byte of typeof typed === 'string' ? encode(typed) : typed) this.#key(byte);
    this.kernel?.wake();
  }

  resize(rows, columns) {
    Object.assign(this, { rows, columns });
    this.#signal(SIGWINCH);
  }

  #key(byte) {
    const { local, input } = this.modes;
    if (byte === CR && input & ICRNL) byte = LF;
    const is = (place) => byte !== 0 && byte === this.characters[place];
    if (local & ISIG) {
      const signal = is(VINTR) ? SIGINT : is(VQUIT) ? SIGQUIT : is(VSUSP) ? SIGTSTP : 0;
      if (signal) {
        this.#echo([byte]);
        this.line = [];
        this.lines = [];
        return this.#signal(signal);
      }
    }
    if (!(local & ICANON)) {
      this.#echo([byte]);
      this.lines.push([byte]);
    } else if (is(VEOF)) {
      this.lines.push(this.line);
      this.line = [];
    } else if (is(VERASE) || byte === 8) {
      this.#erase(1);
    } else if (is(VKILL)) {
      this.#erase(this.line.length);
    } else if (is(VWERASE)) {
      const word = /\S*\s*$/.exec(String.fromCharCode(...this.line))[0];
      this.#erase(word.length);
    } else {
      this.line.push(byte);
      this.#echo([byte]);
      if (byte === LF) {
        this.lines.push(this.line);
        this.line = [];
      }
    }
  }

  /** Takes back characters: of more than one byte, too. */
  #erase(count) {
    for (; count > 0 && this.line.length; count--) {
      while ((this.line.at(-1) & 0xc0) === 0x80) this.line.pop();
      this.line.pop();
      if (this.modes.local & ECHO) this.show(encode('\b \b'));
    }
  }

  #echo(bytes) {
    if (!(this.modes.local & ECHO)) return;
    const shown = bytes.flatMap((byte) => (byte < 32 && byte !== LF && byte !== TAB ? [...encode(`^${String.fromCharCode(byte + 64)}`)] : byte));
    this.write(Uint8Array.from(shown));
  }

  #signal(signal) {
    for (const process of this.kernel?.processes.values() ?? []) if (process.group === this.group) process.kill(signal);
  }

  // ---- As programs set it: struct termios is four modes of 4 bytes, a discipline, 32 characters, two speeds

  ioctl(p, request, at) {
    const { view, bytes } = p.memory;
    switch (request) {
      case 0x5401: // TCGETS
        [this.modes.input, this.modes.output, this.modes.control, this.modes.local].forEach((mode, i) => view.setUint32(at + 4 * i, mode, true));
        bytes.set(this.characters, at + 17);
        return 0;
      case 0x5402: // TCSETS, and after output, and without what was typed
      case 0x5403:
      case 0x5404: {
        const [input, output, control, local] = [0, 4, 8, 12].map((offset) => view.getUint32(at + offset, true));
        this.modes = { input, output, control, local };
        this.characters = bytes.slice(at + 17, at + 49);
        if (request === 0x5404) this.lines = [];
        return 0;
      }
      case 0x540f: // TIOCGPGRP
        view.setInt32(at, this.group, true);
        return 0;
      case 0x5410: // TIOCSPGRP
        this.group = view.getInt32(at, true);
        return 0;
      case 0x5413: // TIOCGWINSZ
        [this.rows, this.columns, 0, 0].forEach((value, i) => view.setUint16(at + 2 * i, value, true));
        return 0;
      case 0x5414: // TIOCSWINSZ
        return 0;
      default:
        return -E.INVAL;
    }
  }
}
