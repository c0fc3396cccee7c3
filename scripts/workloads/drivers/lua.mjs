// node lua.mjs GLUE MODULE SCRIPT: runs a Lua script in wasmoon; the script calls `out`, a function in JavaScript.
import fs from 'node:fs';
import { createRequire } from 'node:module';

const [glue, module, script] = process.argv.slice(2);
const { LuaFactory } = createRequire(import.meta.url)(glue);
const lua = await new LuaFactory(module).createEngine();
lua.global.set('out', (...values) => console.log(...values));
console.log(await lua.doString(fs.readFileSync(script, 'utf8')));
