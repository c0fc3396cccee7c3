// The page: a kernel with a shell and its tools, a terminal, and what shows it.
import { Kernel, Terminal } from '../../host/kernel.mjs';
import { Screen } from './screen.mjs';

const ROWS = 22, COLUMNS = 88;
const TRIES = [
  'ls /bin | wc -l',
  'seq 1 20 | grep 1 | tr 1 x | sort -r | head -n 3',
  'for i in 1 2 3; do (sleep 1; echo job $i) & done; wait',
  'echo "$(date +%Y)" > year; cat year; ls -l',
];

const element = document.querySelector('#screen');
const figures = document.querySelector('#figures');
const screen = new Screen(ROWS, COLUMNS);

const draw = () => {
  const rows = screen.text.split('\n').map((line) => line.padEnd(COLUMNS));
  const [before, rest] = [rows.slice(0, screen.row), rows.slice(screen.row + 1)];
  const row = rows[screen.row].padEnd(screen.column + 1);
  const cursor = document.createElement('span');
  cursor.className = 'cursor';
  cursor.textContent = row[screen.column];
  const text = [...before, row.slice(0, screen.column)].join('\n');
  element.replaceChildren(text, cursor, [row.slice(screen.column + 1), ...rest].join('\n'));
};

let waits = false;
const terminal = new Terminal(
  (bytes) => {
    screen.write(bytes);
    if (waits) return;
    waits = true;
    requestAnimationFrame(() => {
      waits = false;
      draw();
    });
  },
  { rows: ROWS, columns: COLUMNS },
);

/** What a key sends. */
const KEYS = { Enter: '\r', Backspace: '\x7f', Tab: '\t', Escape: '\x1b', ArrowUp: '\x1b[A', ArrowDown: '\x1b[B', ArrowRight: '\x1b[C', ArrowLeft: '\x1b[D', Delete: '\x1b[3~' };
element.addEventListener('keydown', (event) => {
  if (event.metaKey || event.altKey) return;
  let sent = KEYS[event.key] ?? (event.key.length === 1 ? event.key : null);
  if (event.ctrlKey && /^[a-z]$/i.test(event.key)) sent = String.fromCharCode(event.key.toUpperCase().charCodeAt(0) - 64);
  else if (event.ctrlKey) return;
  if (sent === null) return;
  event.preventDefault();
  terminal.type(sent);
});
element.addEventListener('paste', (event) => terminal.type(event.clipboardData.getData('text').replaceAll('\n', '\r')));

for (const line of TRIES) {
  const button = document.createElement('button');
  button.textContent = line;
  button.addEventListener('click', () => {
    terminal.type(`${line}\r`);
    element.focus();
  });
  document.querySelector('#tries').append(button);
}

const load = async (name) => {
  const response = await fetch(`programs/${name}.wasm`);
  if (!response.ok) throw new Error(`${name}.wasm is not there: ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
};

const start = async () => {
  const kernel = new Kernel({ terminal });
  const [shell, tools] = await Promise.all([load('dash'), load('busybox')]);
  kernel.fs.writeFile('/bin/sh', shell);
  await kernel.install(kernel.fs.writeFile('/bin/busybox', tools));
  kernel.fs.makeDirectory('/home');
  setInterval(() => (figures.textContent = `${kernel.processes.size} processes, ${kernel.forks} forks so far`), 200);
  element.focus();
  for (;;) {
    screen.write(new TextEncoder().encode('\x1b[H\x1b[2J'));
    const { status, crashes, missing } = await kernel.run('/bin/sh', ['sh', '-c', 'cd /home; exec sh -i'], ['PATH=/bin', 'HOME=/home', 'PS1=$ ', 'TERM=linux']);
    for (const line of [...crashes, ...missing]) console.error(line);
    terminal.write(new TextEncoder().encode(`the shell ended with status ${status}; another one begins\n`));
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
};

draw();
start().catch((error) => {
  figures.textContent = `It can't run here: ${error.message}`;
});
