// node sqljs.mjs GLUE MODULE SCRIPT: runs an SQL script in sql.js, with any build of its module.
import fs from 'node:fs';
import { createRequire } from 'node:module';

const [glue, module, script] = process.argv.slice(2);
const sql = await createRequire(import.meta.url)(glue)({ wasmBinary: fs.readFileSync(module) });
for (const { values } of new sql.Database().exec(fs.readFileSync(script, 'utf8')))
  for (const row of values) console.log(row.join('|'));
