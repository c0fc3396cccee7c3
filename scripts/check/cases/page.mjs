// A headless Chromium, driven over its debugging protocol.
import { spawn } from 'node:child_process';
import fs from 'node:fs';

/** Starts a program; resolves to the first thing on one of its streams that matches, and the child. */
export const started = (command, args, stream, pattern) =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    child[stream].on('data', (bytes) => {
      text += bytes;
      const match = pattern.exec(text);
      if (match) resolve({ child, match });
    });
    child.on('exit', (status) => reject(new Error(`${command} ended with ${status}: ${text}`)));
    child.on('error', reject);
  });

/** One tab. */
export class Page {
  #next = 1;
  #waiting = new Map();
  #events = new Map();
  errors = [];

  static async open(port) {
    const targets = await (await fetch(`http://127.0.0.1:${port}/json/list`)).json();
    const page = new Page();
    page.socket = new WebSocket(targets.find(({ type }) => type === 'page').webSocketDebuggerUrl);
    page.socket.addEventListener('message', ({ data }) => page.#received(JSON.parse(data)));
    // A browser that ends may not answer.
    page.socket.addEventListener('close', () => page.#waiting.forEach(({ reject }) => reject(new Error('the browser has ended'))));
    await new Promise((resolve) => page.socket.addEventListener('open', resolve));
    for (const domain of ['Runtime', 'Page', 'Network']) await page.send(`${domain}.enable`);
    return page;
  }

  #received({ id, method, params, result, error }) {
    if (method === 'Runtime.exceptionThrown') this.errors.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
    if (method === 'Runtime.consoleAPICalled' && params.type === 'error') this.errors.push(params.args.map(({ value }) => value).join(' '));
    this.#events.get(method)?.(params);
    if (method === 'Network.requestWillBeSent') this.requests?.push(params.request.url);
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error) waiting?.reject(new Error(error.message));
    else waiting?.resolve(result);
  }

  send(method, params = {}) {
    const id = this.#next++;
    this.socket.send(JSON.stringify({ id, method, params }));
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  /** The next event of this kind that `wanted` takes. */
  next(method, wanted = () => true) {
    return new Promise((resolve) => {
      const before = this.#events.get(method);
      this.#events.set(method, (params) => {
        before?.(params);
        if (wanted(params)) resolve(params);
      });
    });
  }

  async evaluate(expression) {
    const { result, exceptionDetails } = await this.send('Runtime.evaluate', { expression, returnByValue: true, awaitPromise: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  async go(url) {
    this.requests = [];
    await this.send('Page.navigate', { url });
    await this.until(`document.readyState !== 'loading' && location.href.startsWith(${JSON.stringify(url.slice(0, 20))})`, 60_000);
  }

  /** Waits for a condition; says what is on the page if it never comes. */
  async until(condition, milliseconds = 30_000) {
    for (const end = Date.now() + milliseconds; Date.now() < end; ) {
      if (await this.evaluate(condition).catch(() => false)) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`${condition} never came; the page says\n${await this.evaluate('document.body.innerText')}\n${this.errors.join('\n')}`);
  }

  /** Types as a person does, key by key. */
  async type(text) {
    const special = { '\r': ['Enter', 0], '\x03': ['c', 2], '\x04': ['d', 2], '\x7f': ['Backspace', 0] };
    for (const character of text) {
      const [key, modifiers] = special[character] ?? [character, 0];
      await this.send('Input.dispatchKeyEvent', { type: 'keyDown', key, modifiers, text: key.length === 1 && !modifiers ? key : undefined });
      await this.send('Input.dispatchKeyEvent', { type: 'keyUp', key, modifiers });
    }
  }

  async screenshot(file) {
    const { data } = await this.send('Page.captureScreenshot', { format: 'png' });
    fs.writeFileSync(file, Buffer.from(data, 'base64'));
  }
}

/** Starts a browser; resolves to the child, and the port of its protocol. */
export const chromium = async (command, profile) => {
  const flags = ['--headless=new', '--no-sandbox', '--disable-gpu', '--remote-debugging-port=0', '--window-size=1000,760', '--hide-scrollbars',
    '--no-first-run', '--disable-extensions', '--disable-background-networking', '--disable-component-update', `--user-data-dir=${profile}`, 'about:blank'];
  const { child, match } = await started(command, flags, 'stderr', /DevTools listening on ws:\/\/127\.0\.0\.1:(\d+)\//);
  return { child, port: match[1] };
};
