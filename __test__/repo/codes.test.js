'use strict';

const { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const path = require('node:path');
const { errorCodes } = require('../../binding');
const { codes } = require('../../lib/verifier/codes');
const { generateCodes } = require('../../scripts/build/generate-codes');

const FAULTS = ['config', 'request', 'token', 'scope', 'upstream', 'capacity', 'internal'];

test('the codes in JavaScript, in the types and in docs/errors.md are those Rust declares', () => {
  expect(generateCodes(errorCodes(), { check: true })).toEqual([]);
  expect(codes).toEqual(
    Object.fromEntries(errorCodes().map(({ code, fault, meaning, action }) => [code, { fault, meaning, action }])),
  );
});

test.each(errorCodes())(
  '$code has a fault, a meaning and something to do about it',
  ({ code, fault, meaning, action }) => {
    expect(code).toMatch(/^ERR_[A-Z]+(_[A-Z]+)*$/);
    expect(FAULTS).toContain(fault);
    expect(meaning).toMatch(/\S/);
    expect(action).toMatch(/\S/);
  },
);

test('no code is declared twice', () => {
  const names = errorCodes().map(({ code }) => code);
  expect(new Set(names).size).toBe(names.length);
});

describe('the generator', () => {
  const FILES = ['lib/verifier/codes.js', 'index.d.ts', 'docs/errors.md'];
  let root;

  beforeEach(() => {
    root = mkdtempSync(path.join(tmpdir(), 'codes-'));
    for (const folder of ['docs', 'lib/verifier']) mkdirSync(path.join(root, folder), { recursive: true });
    for (const file of FILES) copyFileSync(path.join(__dirname, '..', '..', file), path.join(root, file));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const more = [
    ...errorCodes(),
    { code: 'ERR_NEW', fault: 'token', meaning: "it's a \\ pipe | new", action: 'mend it' },
  ];

  test('finds every stale file and touches none when it only checks', () => {
    const before = FILES.map((file) => readFileSync(path.join(root, file), 'utf8'));
    expect(generateCodes(more, { check: true, root })).toEqual(FILES);
    expect(FILES.map((file) => readFileSync(path.join(root, file), 'utf8'))).toEqual(before);
  });

  test('a new fault is a member of the type', () => {
    const other = [...errorCodes(), { code: 'ERR_NEW', fault: 'weather', meaning: 'it rains', action: 'wait' }];
    expect(generateCodes(other, { check: false, root })).toEqual(FILES);
    expect(readFileSync(path.join(root, 'index.d.ts'), 'utf8')).toContain(
      "  | 'internal'\n  | 'weather';\n// faults:end",
    );
  });

  test('writes what a check then finds fresh, quotes and pipes included', () => {
    expect(generateCodes(more, { check: false, root })).toEqual(FILES);
    expect(generateCodes(more, { check: true, root })).toEqual([]);
    const [errors, types, page] = FILES.map((file) => readFileSync(path.join(root, file), 'utf8'));
    expect(errors).toContain("meaning: 'it\\'s a \\\\ pipe | new'");
    expect(types).toContain("  | 'ERR_NEW';");
    expect(page).toContain("| `ERR_NEW` | token | it's a \\ pipe \\| new | mend it |");
  });

  test('refuses a file that has lost its markers', () => {
    const file = path.join(root, 'docs', 'errors.md');
    require('node:fs').writeFileSync(file, 'no markers');
    expect(() => generateCodes(more, { check: true, root })).toThrow('docs/errors.md lacks');
  });
});
