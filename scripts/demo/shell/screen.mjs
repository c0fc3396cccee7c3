// What a terminal shows: characters in rows and columns, and a cursor; with the escape sequences that editors use.

export class Screen {
  #decoder = new TextDecoder();
  #escape = null; // what came of a sequence so far

  constructor(rows, columns) {
    Object.assign(this, { rows, columns, row: 0, column: 0 });
    this.lines = Array.from({ length: rows }, () => []);
  }

  write(bytes) {
    for (const character of this.#decoder.decode(bytes, { stream: true })) this.#put(character);
  }

  get text() {
    return this.lines.map((line) => Array.from(line, (character) => character ?? ' ').join('').trimEnd()).join('\n');
  }

  #put(character) {
    if (this.#escape !== null) return this.#continue(character);
    switch (character) {
      case '\x1b':
        this.#escape = '';
        break;
      case '\r':
        this.column = 0;
        break;
      case '\n':
        this.#down();
        break;
      case '\b':
        this.column = Math.max(0, this.column - 1);
        break;
      case '\t':
        this.column = Math.min(this.columns - 1, (this.column | 7) + 1);
        break;
      default:
        if (character < ' ') break;
        if (this.column === this.columns) {
          this.column = 0;
          this.#down();
        }
        this.lines[this.row][this.column++] = character;
    }
  }

  #down() {
    if (this.row < this.rows - 1) this.row++;
    else this.lines.push(...this.lines.splice(0, 1).map(() => []));
  }

  #continue(character) {
    this.#escape += character;
    if (this.#escape[0] !== '[') this.#escape = null;
    else if (this.#escape.length > 1 && character >= '@') {
      this.#sequence(character, this.#escape.slice(1, -1).split(';').map((text) => parseInt(text, 10)));
      this.#escape = null;
    }
  }

  #sequence(kind, [first, second]) {
    const count = first || 1;
    const line = this.lines[this.row];
    switch (kind) {
      case 'A': this.row = Math.max(0, this.row - count); break;
      case 'B': this.row = Math.min(this.rows - 1, this.row + count); break;
      case 'C': this.column = Math.min(this.columns - 1, this.column + count); break;
      case 'D': this.column = Math.max(0, this.column - count); break;
      case 'H':
        this.row = Math.min(this.rows, count) - 1;
        this.column = Math.min(this.columns, second || 1) - 1;
        break;
      case 'J':
        for (let row = first === 2 ? 0 : this.row + 1; row < this.rows; row++) this.lines[row] = [];
        if (first !== 2) line.length = Math.min(line.length, this.column);
        break;
      case 'K': line.length = Math.min(line.length, this.column); break;
    }
  }
}
