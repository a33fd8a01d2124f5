'use strict';

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const { ROWS, parityRow, rowsIn, scorecard } = require('../../scripts/checks/scorecard');

const root = path.join(__dirname, '..', '..');

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
    const { status, stdout, stderr } = run('checks/demo.js', '--json');
    expect(status).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/No working Rust toolchain/);
  });

  test('npm test still ends with its closing line, and fails', () => {
    const { status, stdout } = run('checks/test.js');
    expect(status).toBe(1);
    expect(stdout.trimEnd().split('\n').at(-1)).toBe('0 passed, 1 failed');
  });
});

describe('the scorecard', () => {
  const line = (row, figure, ok = true) => `SCORE ${JSON.stringify({ row, figure, limit: '0', ok })}`;

  test('reads rows as cargo and jest print them, and nothing else', () => {
    const output = [
      '---- a test stdout ----',
      line('S1', 'a'),
      '  console.log',
      `    ${line('S2', 'b')}`,
      '',
      `x ${line('S3', 'c')}`,
      'SCORE',
    ].join('\n');
    expect(rowsIn(output).map(({ row }) => row)).toEqual(['S1', 'S2']);
  });

  test('has every row once; one that is missing or missed in any part is not met', () => {
    const printed = rowsIn(
      [line('S1', 'a'), line('S1', 'b'), line('S2', 'c'), line('S2', 'd', false), line('S9', 'e')].join('\n'),
    );
    expect(scorecard(printed, ['S1', 'S2', 'S3'])).toEqual([
      { row: 'S1', figure: 'a; b', limit: '0', ok: true },
      { row: 'S2', figure: 'c; d', limit: '0', ok: false },
      { row: 'S3', figure: 'missing: no test printed it', limit: '', ok: false },
      { row: 'S9', figure: 'e', limit: '0', ok: true },
    ]);
    expect(scorecard([])).toHaveLength(ROWS.length);
  });

  test('S54 is LibreChat’s scenarios of role sync, machine clients, conversations and tenants', () => {
    const scenarios = [1, 150, 151, 240, 241, 330, 359, 360].map((number) => ({
      number,
      passed: number > 150 && number !== 241,
    }));
    scenarios[3].differs = 'a row';
    expect(parityRow(scenarios)).toEqual({
      row: 'S54',
      figure: '4 of 4 pass as LibreChat calls, 1 of them differ as documented',
      limit: 'all, or documented',
      ok: true,
    });
    expect(parityRow([...scenarios, { number: 200, passed: false }]).ok).toBe(false);
    expect(parityRow([]).ok).toBe(false);
  });
});

test('scripts/README.md has a line for each script and folder', () => {
  const map = fs.readFileSync(path.join(root, 'scripts', 'README.md'), 'utf8');
  const named = [...map.matchAll(/^\| `([^`]+)` \| \S/gm)].map(([, name]) => /** @type {string} */ (name));
  const folders = fs
    .readdirSync(path.join(root, 'scripts'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory());
  const there = folders.flatMap(({ name }) =>
    fs
      .readdirSync(path.join(root, 'scripts', name), { withFileTypes: true })
      .map((entry) => `${name}/${entry.name}${entry.isDirectory() ? '/' : ''}`),
  );
  expect(named.sort()).toEqual(there.sort());
});
