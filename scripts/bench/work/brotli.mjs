// The sizes of files, compressed by brotli at its best level: `node brotli.mjs FILE...` prints a JSON list of bytes.
import { readFileSync } from "node:fs";
import { brotliCompressSync, constants } from "node:zlib";

const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24 };
console.log(JSON.stringify(process.argv.slice(2).map((file) => brotliCompressSync(readFileSync(file), { params }).length)));
