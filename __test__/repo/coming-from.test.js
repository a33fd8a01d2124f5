'use strict';

// docs/coming-from: what each page says is replaced, and what it is replaced with, let the same tokens in.

const { execFile } = require('node:child_process');
const path = require('node:path');
const { promisify } = require('node:util');
const { ROOT } = require('../support/markdown');

const CHILD = path.join(__dirname, '..', 'support', 'children', 'coming-from.mjs');
const PAGES = ['aws-jwt-verify', 'express-jwt', 'express-oauth2-jwt-bearer', 'fast-jwt', 'jose', 'okta-jwt-verifier'];

/** @type {Record<string, Record<'before' | 'after', Record<string, number | string>>>} */
let found = {};
beforeAll(async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [CHILD], { cwd: ROOT });
  found = JSON.parse(stdout);
}, 60_000);

test('every page is run', () => {
  expect(Object.keys(found)).toEqual(PAGES.map((name) => `docs/coming-from/${name}.md`));
});

test.each(PAGES)('%s: both sides let in and refuse the same', (name) => {
  const { before, after } = /** @type {any} */ (found[`docs/coming-from/${name}.md`]);
  expect(after).toEqual({
    good: 'ada',
    nothing: 401,
    forged: 401,
    expired: 401,
    'for another audience': 401,
    'of another issuer': 401,
    unsigned: 401,
    'without the scope': 403,
  });
  for (const [request, answer] of Object.entries(before)) {
    expect([request, answer === 'ada']).toEqual([request, request === 'good']);
  }
});
