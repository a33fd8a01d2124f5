'use strict';

// What somebody does who has the README and nothing else: the server and the provider of its first pages written to files, and its
// commands typed one after the other, in a folder where the package and express are installed.
// `node __test__/package/newcomer.js TARBALL...` makes such a folder outside this checkout, with no compiler on the PATH.

const { execFileSync, spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { setTimeout: after } = require('node:timers/promises');
const { blocksOf, read } = require('../support/markdown');

const PATIENCE_MS = 20_000;

/** The README's blocks for who tries it: two files and the commands. */
function blocks() {
  const all = blocksOf(read('README.md'), 'README.md');
  const marked = (/** @type {string} */ marker) => {
    const found = all.find((block) => block.marker === marker);
    if (found === undefined) throw new Error(`README.md has no block marked "${marker}"`);
    return found.text;
  };
  return { server: marked('example'), provider: marked('newcomer provider.js'), commands: marked('newcomer') };
}

/** A port that is free, so that two trials on one machine do not meet. @returns {Promise<number>} */
async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {net.AddressInfo} */ (server.address());
  server.close();
  await once(server, 'close');
  return port;
}

/** @param {number} port @param {import('node:child_process').ChildProcess} child */
async function listening(port, child) {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const socket = net.connect(port, '127.0.0.1');
    const open = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (open) return;
    if (child.exitCode !== null || Date.now() > deadline)
      throw new Error(`nobody listens on ${port} (exit code ${child.exitCode})`);
    await after(20);
  }
}

/**
 * @param {{ folder: string, env?: NodeJS.ProcessEnv }} place where `require('remote-agent-auth')` and `require('express')` work
 * @returns {Promise<{ answers: { status: number, body: string, expected: string }[], log: string }>} what each curl got, and what
 *   the comment beside it says
 */
async function tryReadme({ folder, env = process.env }) {
  const { server, provider, commands } = blocks();
  const [first, second] = [await freePort(), await freePort()];
  const here = (/** @type {string} */ text) => text.replaceAll('9000', `${first}`).replaceAll('3000', `${second}`);
  fs.writeFileSync(path.join(folder, 'server.js'), here(server));
  fs.writeFileSync(path.join(folder, 'provider.js'), here(provider));

  /** @type {import('node:child_process').ChildProcess[]} */
  const running = [];
  const answers = [];
  let log = '';
  try {
    for (const line of here(commands).split('\n')) {
      const [command = '', comment = ''] = line.split(/\s{2,}# /);
      const background = /^(.*) &$/.exec(command)?.[1];
      if (background !== undefined) {
        const child = spawn('bash', ['-c', background.replace(/\bnode /, 'exec node ')], {
          cwd: folder,
          env,
          stdio: ['ignore', 'ignore', 'pipe'],
        });
        child.stderr?.on('data', (chunk) => (log += chunk));
        running.push(child);
        await listening(running.length === 1 ? first : second, child);
      } else if (command.startsWith('curl ')) {
        const answer = execFileSync('bash', ['-c', command], { cwd: folder, env, encoding: 'utf8' });
        const [, status] = /^HTTP\/1\.1 (\d+)/.exec(answer) ?? [];
        answers.push({ status: Number(status), body: answer.split('\r\n\r\n')[1] ?? '', expected: comment });
      } else if (command !== 'kill %1 %2') throw new Error(`README.md: what is "${command}"?`);
    }
  } finally {
    for (const child of running) {
      const gone = child.exitCode === null ? once(child, 'exit') : undefined;
      child.kill('SIGKILL');
      await gone;
    }
  }
  return { answers, log };
}

/**
 * A PATH on which every compiler fails. They may live in one folder with npm, so they are hidden, not taken away.
 * @param {string} folder where to put what hides them
 */
function pathWithoutCompilers(folder) {
  fs.mkdirSync(folder);
  for (const tool of ['cargo', 'rustc', 'cc', 'gcc', 'clang', 'c++', 'g++', 'make', 'node-gyp']) {
    fs.writeFileSync(
      path.join(folder, tool),
      `#!/bin/sh\necho "${tool} was called: nothing may be compiled" >&2\nexit 1\n`,
      { mode: 0o755 },
    );
  }
  return `${folder}${path.delimiter}${process.env.PATH}`;
}

/** @param {string[]} tarballs */
async function main(tarballs) {
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'newcomer-'));
  try {
    const env = { ...process.env, PATH: pathWithoutCompilers(path.join(scratch, 'compilers')) };
    const folder = path.join(scratch, 'empty');
    fs.mkdirSync(folder);
    const install = ['install', '--no-audit', '--no-fund', ...tarballs.map((file) => path.resolve(file)), 'express'];
    execFileSync('npm', install, { cwd: folder, env, stdio: ['ignore', 'inherit', 'inherit'] });
    const { answers, log } = await tryReadme({ folder, env });
    for (const { status, body, expected } of answers) console.log(`${status} ${body}   README: ${expected}`);
    process.stdout.write(log);
    process.exitCode =
      answers.length > 1 && answers.every(({ status, body, expected }) => expected.startsWith(`${status} ${body}`))
        ? 0
        : 1;
  } finally {
    fs.rmSync(scratch, { recursive: true, force: true });
  }
}

if (require.main === module) void main(process.argv.slice(2));

module.exports = { pathWithoutCompilers, tryReadme };
