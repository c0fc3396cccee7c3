// Serves the demo page on this machine alone: node serve.mjs PROGRAMS [PORT]. PROGRAMS is a folder with dash.wasm and busybox.wasm,
// instrumented. Prints the address.
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';

const [programs, port = '8080'] = process.argv.slice(2);
const scripts = path.join(import.meta.dirname, '..');
const TYPES = { '.html': 'text/html; charset=utf-8', '.mjs': 'text/javascript', '.wasm': 'application/wasm' };

/** The file for an address: the page and the package, and the programs below the page. Nothing else. */
const fileOf = (url) => {
  const [, first, second, third] = new URL(url, 'http://localhost').pathname.split('/');
  if (first === 'demo' && second === 'shell' && third === 'programs') return path.join(programs, path.basename(url));
  const name = first === 'demo' && second === 'shell' ? ['demo', 'shell', third || 'index.html'] : ['host', second];
  return name.at(-1) && !third?.startsWith('.') ? path.join(scripts, ...name) : null;
};

const server = http.createServer((request, response) => {
  if (request.url === '/') {
    response.writeHead(302, { location: '/demo/shell/' }).end();
    return;
  }
  const file = fileOf(request.url);
  const type = TYPES[path.extname(file ?? '')];
  if (!type || !fs.existsSync(file)) {
    response.writeHead(404).end('not here');
    return;
  }
  response.writeHead(200, { 'content-type': type, 'cache-control': 'no-cache' });
  fs.createReadStream(file).pipe(response);
});
server.listen(Number(port), '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}/`));
