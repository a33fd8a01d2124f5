'use strict';

// A headless Chromium, Debian's, driven over the DevTools protocol by a pipe: no port, and no package for it. In CI it is installed where
// it is not there; elsewhere the tests that need it say so.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const debian = require('./debian');

/** For one command of the protocol. */
const COMMAND_MS = 30_000;
/** For the browser to end of itself. */
const CLOSE_MS = 10_000;
const PROGRAM = 'chromium';
const FLAGS = [
  '--headless=new',
  // CI is root, in a container.
  '--no-sandbox',
  '--disable-dev-shm-usage',
  '--disable-gpu',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--remote-debugging-pipe',
];

const isThere = () => debian.run(PROGRAM, ['--version']).status === 0;

/** @returns {string | undefined} why it is not there */
function install() {
  if (isThere()) return undefined;
  if (process.env.CI !== 'true') return 'it is not installed (Debian: apt-get install chromium)';
  if (!debian.hasApt()) return 'no apt-get';
  debian.run('apt-get', ['update']);
  const installed = debian.install(['chromium', 'fonts-dejavu-core']);
  return isThere() ? undefined : `apt-get could not install it: ${installed.stderr?.slice(-500)}`;
}

/** A browser with one page; `events` holds every event of the protocol that came, in order. */
class Browser {
  #child;
  #folder;
  #serial = 0;
  #pending = new Map();
  #text = '';
  #session;
  #late;
  events = [];

  async start() {
    this.#folder = fs.mkdtempSync(path.join(os.tmpdir(), 'chromium-'));
    const args = [...FLAGS, `--user-data-dir=${this.#folder}`, 'about:blank'];
    this.#child = spawn(PROGRAM, args, { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
    this.#child.stdio[4].setEncoding('utf8').on('data', (text) => this.#read(text));
    this.#child.once('exit', () => {
      for (const { reject } of this.#pending.values()) reject(new Error('the browser has ended'));
    });
    const { targetInfos } = await this.send('Target.getTargets');
    const { targetId } = targetInfos.find(({ type }) => type === 'page');
    const { sessionId } = await this.send('Target.attachToTarget', { targetId, flatten: true });
    this.#session = sessionId;
    for (const domain of ['Page', 'Runtime', 'Network', 'Log', 'Audits']) await this.send(`${domain}.enable`);
    return this;
  }

  async stop() {
    if (this.#child.exitCode === null) {
      const ended = once(this.#child, 'exit');
      this.#session = undefined;
      // It ends its other processes itself, which write to its folder until then.
      this.send('Browser.close').catch(() => {});
      const late = setTimeout(() => this.#child.kill('SIGKILL'), CLOSE_MS);
      await ended;
      clearTimeout(late);
    }
    fs.rmSync(this.#folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }

  #read(text) {
    const parts = (this.#text + text).split('\0');
    this.#text = parts.pop();
    for (const part of parts) {
      const message = JSON.parse(part);
      const waiting = this.#pending.get(message.id);
      if (waiting === undefined) this.events.push(message);
      else if (message.error) waiting.reject(new Error(`${waiting.method}: ${message.error.message}`));
      else waiting.resolve(message.result);
      this.#pending.delete(message.id);
      this.heard?.(message);
    }
  }

  /** @param {string} method @param {object} [params] */
  send(method, params = {}) {
    const id = (this.#serial += 1);
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`${method}: no answer`)), COMMAND_MS);
      const end = (settle) => (value) => {
        clearTimeout(late);
        settle(value);
      };
      this.#pending.set(id, { method, resolve: end(resolve), reject: end(reject) });
      this.#child.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId: this.#session })}\0`);
    });
  }

  /** Waits for the page that `work` leads to. @param {() => Promise<unknown>} work */
  async arriving(work) {
    const arrived = new Promise((resolve) => {
      this.heard = ({ method }) => method === 'Page.loadEventFired' && resolve(undefined);
    });
    const late = new Promise((_resolve, reject) => {
      this.#late = setTimeout(() => reject(new Error('no page came')), COMMAND_MS);
    });
    try {
      await work();
      await Promise.race([arrived, late]);
    } finally {
      clearTimeout(this.#late);
      this.heard = undefined;
    }
  }

  /** @param {string} url */
  open(url) {
    return this.arriving(() => this.send('Page.navigate', { url }));
  }

  /** What an expression is in the page: plain data. @param {string} expression */
  async evaluate(expression) {
    const { result, exceptionDetails } = await this.send('Runtime.evaluate', {
      expression,
      returnByValue: true,
      awaitPromise: true,
    });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  /** @param {{ width: number, height?: number, scheme?: 'light' | 'dark' }} form */
  async shape({ width, height = 900, scheme = 'light' }) {
    const features = [{ name: 'prefers-color-scheme', value: scheme }];
    await this.send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: false });
    await this.send('Emulation.setEmulatedMedia', { features });
  }

  /** The whole page as PNG. */
  async screenshot() {
    const { data } = await this.send('Page.captureScreenshot', { format: 'png', captureBeyondViewport: true });
    return Buffer.from(data, 'base64');
  }
}

module.exports = { Browser, missing: install() };
