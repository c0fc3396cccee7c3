// node sqljs.mjs [--nested] GLUE MODULE SCRIPT: runs an SQL script in sql.js; SQL calls a function in JavaScript, which with
// --nested runs a query in its turn.
import fs from 'node:fs';
import { createRequire } from 'node:module';

const nested = process.argv[2] === '--nested';
const [glue, module, script] = process.argv.slice(nested ? 3 : 2);
const sql = await createRequire(import.meta.url)(glue)({ wasmBinary: fs.readFileSync(module) });
const database = new sql.Database();
database.create_function('twice', (value) => (nested ? database.exec(`select 2 * ${value} + 0 * unixepoch('now')`)[0].values[0][0] : 2 * value));
for (const { values } of database.exec(`${fs.readFileSync(script, 'utf8')} select twice(a) from t where a < 5;`))
  for (const row of values) console.log(row.join('|'));
