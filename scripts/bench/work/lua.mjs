// node lua.mjs GLUE MODULE SCRIPT: runs a Lua script in wasmoon, with any build of its module.
import fs from 'node:fs';
import { createRequire } from 'node:module';

const [glue, module, script] = process.argv.slice(2);
const { LuaFactory } = createRequire(import.meta.url)(glue);
const lua = await new LuaFactory(module).createEngine();
console.log(await lua.doString(fs.readFileSync(script, 'utf8')));
