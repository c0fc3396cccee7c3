// node quickjs.mjs PACKAGES MODULE SCRIPT: runs a script in quickjs-emscripten; the script calls `print`, a function of the host.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const [packages, file, script] = process.argv.slice(2);
const require = createRequire(path.join(packages, 'index.js'));
const { newQuickJSWASMModuleFromVariant, newVariant } = require('quickjs-emscripten-core');
const release = require('@jitl/quickjs-wasmfile-release-sync');
const wasmBinary = new Uint8Array(fs.readFileSync(file)).buffer;
const quickjs = await newQuickJSWASMModuleFromVariant(newVariant(release.default ?? release, { wasmBinary }));
const context = quickjs.newContext();
const print = context.newFunction('print', (...values) => console.log(...values.map((value) => context.dump(value))));
context.setProp(context.global, 'print', print);
const result = context.evalCode(fs.readFileSync(script, 'utf8'));
if (result.error) throw new Error(JSON.stringify(context.dump(result.error)));
