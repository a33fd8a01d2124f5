'use strict';

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const root = path.join(__dirname, '..');

describe('on a machine without a Rust toolchain', () => {
  /** @type {string} */
  let folder;

  beforeAll(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'bare-'));
    fs.symlinkSync(process.execPath, path.join(folder, 'node'));
  });
  afterAll(() => fs.rmSync(folder, { recursive: true }));

  /** @param {string} script @param {string[]} args */
  const run = (script, ...args) =>
    spawnSync(process.execPath, [path.join(root, 'scripts', script), ...args], {
      env: { PATH: folder, HOME: folder },
      encoding: 'utf8',
    });

  test('the demo says what is missing, on stderr, and prints nothing on stdout', () => {
    const { status, stdout, stderr } = run('demo.js', '--json');
    expect(status).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/No working Rust toolchain/);
  });

  test('npm test still ends with its closing line, and fails', () => {
    const { status, stdout } = run('test.js');
    expect(status).toBe(1);
    expect(stdout.trimEnd().split('\n').at(-1)).toBe('0 passed, 1 failed');
  });
});
