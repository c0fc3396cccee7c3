// The cases of scripts/check/browser: pages in a headless Chromium, driven over its debugging protocol.
//
//   node browser.mjs --chromium PATH --work DIR --programs DIR [--page FILE] [--screenshot FILE] [--closure FILE]
import path from 'node:path';
import { parseArgs } from 'node:util';
import { finish, report, scripts } from './common.mjs';
import { Page, chromium, started } from './page.mjs';

const names = ['chromium', 'work', 'programs', 'screenshot', 'closure'];
const { values: options } = parseArgs({ options: Object.fromEntries(names.map((name) => [name, { type: 'string' }])) });

const attempt = async (name, body) => {
  try {
    await body();
    report(name);
  } catch (error) {
    report(name, String(error.stack ?? error));
  }
};

const browser = await chromium(options.chromium, `${options.work}/profile`);
const server = await started(process.execPath, [path.join(scripts, 'demo/serve.mjs'), options.programs, '0'], 'stdout', /(http:\/\/\S+)\n/);
const page = await Page.open(browser.port);
const shown = (text) => `document.querySelector('#screen').textContent.includes(${JSON.stringify(text)})`;

await page.go(`${server.match[1]}demo/shell/`);
await attempt('the shell greets', () => page.until(shown('$ '), 60_000));
await attempt('a pipeline of tools', async () => {
  await page.type('seq 1 20 | grep 1 | tr 1 x | sort -r | head -n 3\r');
  await page.until(shown('xx\n') + ' || ' + shown('xx '));
});
await attempt('background jobs go on beside the shell', async () => {
  await page.type('(sleep 1; echo from $((6 * 7))) & echo to $((6 * 8))\r');
  await page.until(shown('to 48'));
  await page.until(shown('from 42'));
});
await attempt('editing a line, files, substitution', async () => {
  await page.type('echo one two >ff\x7fg; cat fg; echo "<$(wc -w <fg | tr -d " ")>"\r');
  await page.until(shown('<2>'));
});
await attempt('Ctrl-C ends what runs, and not the shell', async () => {
  await page.type('sleep 1000\r');
  await page.until(shown('sleep 1000'));
  await new Promise((resolve) => setTimeout(resolve, 300));
  await page.type('\x03');
  await page.type('echo status $?\r');
  await page.until(shown('status 130'));
});
await attempt('the page says how many processes there were', async () => {
  await page.until("/1 processes, \\d+ forks/.test(document.querySelector('#figures').textContent)");
  if (options.screenshot) await page.screenshot(options.screenshot);
});
await attempt('Ctrl-D ends the shell, and another begins', async () => {
  await page.type('\x04');
  await page.until(shown('the shell ended with status 0'));
  await page.until(`!${shown('the shell ended')}`);
  await page.type('echo again $((1 + 1))\r');
  await page.until(shown('again 2'));
});
await attempt('nothing failed in the page', () => {
  if (page.errors.length) throw new Error(page.errors.join('\n'));
});

if (options.closure) {
  const { closure } = await import('./browser-closure.mjs');
  await closure(page, options.closure, attempt);
}
server.child.removeAllListeners('exit');
browser.child.removeAllListeners('exit');
server.child.kill();
await page.send('Browser.close').catch(() => {});
finish();
setTimeout(() => process.exit(), 1000).unref();
