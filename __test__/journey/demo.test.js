'use strict';

const { execFile, spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const path = require('node:path');
const readline = require('node:readline');
const { calls } = require('../../examples/demo/calls.js');

const run = path.join(__dirname, '..', '..', 'examples', 'demo', 'run.js');
const TOKEN = /eyJ[\w-]+\.[\w-]+\.[\w-]+/;

describe('the demo, as `npm run demo -- --json` runs it', () => {
  /** @type {{ code: number, stdout: string, stderr: string }} */
  let ended;
  /** @type {{ ok: boolean, checks: { name: string, expected: object, status: number, code: string | null, ok: boolean }[] }} */
  let report;

  beforeAll(async () => {
    ended = await new Promise((resolve) => {
      execFile(process.execPath, [run, '--json'], (error, stdout, stderr) => {
        resolve({ code: error ? 1 : 0, stdout, stderr });
      });
    });
    report = JSON.parse(ended.stdout);
  }, 150_000);

  test.each(calls.map(({ name, expected }) => ({ name, ...expected })))(
    '$name: answers $status, code or reason $code',
    ({ name, status, code }) => {
      const check = report.checks.find((each) => each.name === name);
      expect(check).toEqual({ name, expected: { status, code }, status, code, ok: true });
    },
  );

  test('says ok as a whole and ends with exit code 0', () => {
    expect(report.ok).toBe(true);
    expect(report.checks).toHaveLength(calls.length);
    expect(ended.code).toBe(0);
  });

  test('prints no token, on neither stream', () => {
    expect(ended.stdout).not.toMatch(TOKEN);
    expect(ended.stderr).not.toMatch(TOKEN);
  });
});

test('the demo with --serve keeps a provider and a server running until it is interrupted, and rotates keys on Enter', async () => {
  const child = spawn(process.execPath, [run, '--serve'], { stdio: ['pipe', 'pipe', 'inherit'] });
  try {
    const exit = once(child, 'exit');
    /** @type {string[]} */
    const lines = [];
    const output = readline.createInterface({ input: child.stdout });
    /** @param {RegExp} pattern @returns {Promise<RegExpExecArray>} */
    const printed = async (pattern) => {
      for (;;) {
        for (const line of lines) {
          const match = pattern.exec(line);
          if (match) return match;
        }
        await once(output, 'line', { signal: AbortSignal.timeout(30_000) });
      }
    };
    output.on('line', (line) => lines.push(line));

    const [, url, file] = await printed(/curl -si (\S+\/models) -H @(\S+\/ada)$/);
    const ask = async () => {
      const [, authorization] = fs.readFileSync(file, 'utf8').trim().split(': ');
      return (await fetch(url, { headers: { authorization } })).status;
    };
    expect(await ask()).toBe(200);
    expect(fs.statSync(file).mode & 0o777).toBe(0o600);

    await printed(/^Enter rotates/);
    child.stdin.write('\n');
    await printed(/now signs with key/);
    expect(await ask()).toBe(200);
    expect(lines.join('\n')).not.toMatch(TOKEN);

    child.kill('SIGINT');
    expect(await exit).toEqual([0, null]);
    expect(fs.existsSync(file)).toBe(false);
  } finally {
    child.kill('SIGKILL');
  }
}, 60_000);
