// node duckdb.mjs GLUE MODULE SCRIPT: runs SQL statements in DuckDB, and prints what each gives, in Arrow's stream format, as hash
// and readable parts.
import crypto from 'node:crypto';
import fs from 'node:fs';
import { createRequire, registerHooks } from 'node:module';
import path from 'node:path';

const [glue, module, script] = process.argv.slice(2);
// The package depends on another that reads what comes of a query; here nothing does.
const ARROW = 'apache-arrow';
registerHooks({
  resolve: (name, context, next) => (name === ARROW ? { url: `none:${ARROW}`, shortCircuit: true } : next(name, context)),
  load: (url, context, next) => (url === `none:${ARROW}` ? { format: 'commonjs', source: '', shortCircuit: true } : next(url, context)),
});
const { createDuckDB, NODE_RUNTIME, VoidLogger } = createRequire(import.meta.url)(glue);
const bundle = { mainModule: path.resolve(module), mainWorker: null };
const database = await createDuckDB({ mvp: bundle, eh: bundle }, new VoidLogger(), NODE_RUNTIME);
await database.instantiate(() => {});
database.open({ path: ':memory:', query: { castBigIntToDouble: false } });
const connection = database.connect();
process.chdir(path.dirname(script)); // files in it are named without folders
for (const statement of fs.readFileSync(script, 'utf8').split(';').filter((text) => text.trim())) {
  let outcome;
  try {
    const bytes = database.runQuery(connection._conn ?? connection, statement);
    const hash = crypto.createHash('sha256').update(bytes).digest('hex');
    const words = Buffer.from(bytes).toString('latin1').match(/[ -~]{4,}/g) ?? [];
    outcome = `${bytes.length} bytes, ${hash}: ${words.join(' ')}`;
  } catch (error) {
    outcome = String(error);
  }
  console.log(outcome);
}
