// node php.mjs GLUE MODULE SCRIPT: runs a PHP script in php-wasm, by way of its Emscripten glue alone.
import fs from 'node:fs';
import { pathToFileURL } from 'node:url';

const [glue, module, script] = process.argv.slice(2);
const { init } = await import(pathToFileURL(glue));
let initialized;
const ready = new Promise((resolve) => (initialized = resolve));
const runtime = {
  wasmBinary: fs.readFileSync(module),
  ENV: {},
  dynamicLibraries: [],
  phpWasmInitOptions: { nativeInternalDirPath: '/tmp' },
  print: (line) => console.log(line),
  quit() {},
  onExit() {},
  onChunk() {},
  onRuntimeInitialized: () => initialized(),
};
const php = init('NODE', runtime) ?? runtime;
await ready;
const call = (name, result, types = [], values = [], async = false) => php.ccall(name, result, types, values, { async });
for (const folder of ['/internal/shared/preload', '/request']) php.FS.mkdirTree(folder);
php.FS.writeFile('/internal/shared/php.ini', '');
php.FS.writeFile('/t.php', fs.readFileSync(script));
php.onStdout = (bytes) => process.stdout.write(bytes);
await call('php_wasm_init', null, [], [], true);
await call('wasm_set_path_translated', null, ['string'], ['/t.php']);
await call('wasm_set_request_method', null, ['string'], ['GET']);
await call('wasm_sapi_handle_request', 'number', [], [], true);
