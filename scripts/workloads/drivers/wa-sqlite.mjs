// node wa-sqlite.mjs [--sync] PACKAGE MODULE SCRIPT: runs an SQL script in wa-sqlite, over a file system whose every function is a promise. The package's
// JavaScript is Emscripten's for its Asyncify, unchanged; MODULE is any build of the package's module which that can drive, or one that has the protocol's
// functions by their own names instead of by those that Emscripten's optimizer gave them. With --sync nothing is a promise, and the JavaScript is that of
// the synchronous build.
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const sync = process.argv[2] === '--sync';
const [folder, file, script] = process.argv.slice(sync ? 3 : 2);
const load = (name) => import(pathToFileURL(path.join(folder, name)));
const source = sync ? 'dist/wa-sqlite.mjs' : 'dist/wa-sqlite-async.mjs';
const { default: factory } = await load(source);
const SQLite = await load('src/sqlite-api.js');
const { MemoryVFS } = await load('src/examples/MemoryVFS.js');
const { MemoryAsyncVFS } = await load('src/examples/MemoryAsyncVFS.js');

const glue = fs.readFileSync(path.join(folder, source), 'utf8');
let pauses = 0;
const instantiateWasm = async (imports, done) => {
  const { instance, module } = await WebAssembly.instantiate(fs.readFileSync(file), imports);
  const exports = { ...instance.exports };
  for (const [, name, minified] of glue.matchAll(/_(asyncify_\w+)=wasmExports\["(\w+)"\]/g)) {
    const operation = exports[minified] ?? exports[name];
    exports[minified] = name === 'asyncify_start_unwind' ? (...args) => (pauses++, operation(...args)) : operation;
  }
  done({ exports }, module);
};
const module = await factory({ instantiateWasm: (imports, done) => (instantiateWasm(imports, done), {}) });
const sqlite3 = SQLite.Factory(module);
const vfs = sync ? new MemoryVFS('memory', module) : new MemoryAsyncVFS('memory', module);
sqlite3.vfs_register(vfs, true);
const database = await sqlite3.open_v2('test');
const twice = (context, values) => sqlite3.result(context, 2 * sqlite3.value_int(values[0]));
const later = async (...args) => (await null, twice(...args));
sqlite3.create_function(database, 'twice', 1, SQLite.SQLITE_UTF8, 0, sync ? twice : later);
const text = `${fs.readFileSync(script, 'utf8')} select twice(a) from t where a < 5;`;
await sqlite3.exec(database, text, (row) => console.log(row.join('|')));
await sqlite3.close(database);
console.error(`${pauses} pauses`);
