// node pyodide.mjs PACKAGE MODULE SCRIPT: runs a Python script in Pyodide; the script has `twice`, a function in JavaScript, and
// calls back by it.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const [folder, module, script] = process.argv.slice(2);
// It finds its module beside the rest.
const beside = fs.mkdtempSync(path.join(os.tmpdir(), 'pyodide-'));
process.on('exit', () => fs.rmSync(beside, { recursive: true }));
for (const name of fs.readdirSync(folder)) {
  fs.symlinkSync(path.join(folder, name), path.join(beside, name));
}
fs.rmSync(path.join(beside, 'pyodide.asm.wasm'));
fs.symlinkSync(path.resolve(module), path.join(beside, 'pyodide.asm.wasm'));

const { loadPyodide } = await import(pathToFileURL(path.join(folder, 'pyodide.mjs')));
const python = await loadPyodide({ indexURL: beside, env: { PYTHONHASHSEED: '0' }, stdout: (line) => console.log(line) });
python.globals.set('twice', (value, then) => then(2 * value));
python.runPython(fs.readFileSync(script, 'utf8'));
