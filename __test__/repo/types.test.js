'use strict';

const { execFile } = require('node:child_process');
const { readFileSync } = require('node:fs');
const path = require('node:path');
const { promisify } = require('node:util');

const ROOT = path.join(__dirname, '..', '..');
const TSC = require.resolve('typescript/bin/tsc');

/** Runs tsc and gives what it printed; an empty text means that it was content. */
async function compile(...args) {
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [TSC, ...args], { cwd: ROOT });
    return stdout;
  } catch (error) {
    return error.stdout || error.message;
  }
}

test.each([4, 5])(
  'a TypeScript host on @types/express %i uses handler, functions and errors without a cast',
  async (major) => {
    expect(await compile('-p', `__test__/types/tsconfig.express${major}.json`)).toBe('');
  },
  120_000,
);

test.each([
  [4, /express4\/index\.d\.ts$/m],
  [5, /@types\/express\/index\.d\.ts$/m],
])(
  'the compilation for Express %i really reads that major',
  async (major, file) => {
    expect(await compile('-p', `__test__/types/tsconfig.express${major}.json`, '--listFilesOnly')).toMatch(file);
  },
  120_000,
);

test('the JavaScript of this package agrees with its JSDoc and with the declared types', async () => {
  expect(await compile('-p', 'jsconfig.json')).toBe('');
}, 120_000);

test('the declared types need nobody else’s: no import but our own', () => {
  for (const file of ['index.d.ts', 'native.d.ts', 'librechat.d.ts', 'testing.d.ts']) {
    const imports = [...readFileSync(path.join(ROOT, file), 'utf8').matchAll(/from '([^']+)'/g)].map(
      ([, from]) => from,
    );
    expect(imports.filter((from) => !from.startsWith('./'))).toEqual([]);
  }
});
