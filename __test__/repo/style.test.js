'use strict';

// The configuration of formatters, linter and editors: one length of line for both languages, the same in each file that says it.

const fs = require('node:fs');
const path = require('node:path');
const yaml = require('js-yaml');
const { ROOT, read } = require('../support/markdown');

const biome = JSON.parse(read('biome.json'));

test('one length of line for Rust, JavaScript and editors', () => {
  const rust = /^max_width = (\d+)$/m.exec(read('rustfmt.toml'))?.[1];
  const editors = /^\[\*\]$[^[]*^max_line_length = (\d+)$/m.exec(read('.editorconfig'))?.[1];
  expect([rust, editors]).toEqual(['120', '120']);
  expect(biome.formatter.lineWidth).toBe(120);
});

test('CI runs the linter over every language it reads, with warnings as errors', () => {
  expect(read('.ci/run')).toMatch(/^npm run --silent lint$/m);
  expect(require('../../package.json').scripts.lint).toBe('biome check --error-on-warnings');
  expect(biome.files.includes).toEqual(expect.arrayContaining(['**/*.js', '**/*.mjs', '**/*.d.ts']));
});

test('issue forms have a name, a description and fields with names of their own', () => {
  const folder = path.join(ROOT, '.github', 'ISSUE_TEMPLATE');
  const forms = fs.readdirSync(folder).filter((file) => file !== 'config.yml');
  expect(forms.length).toBeGreaterThan(1);
  for (const form of forms) {
    const { name, description, body } = /** @type {any} */ (
      yaml.load(fs.readFileSync(path.join(folder, form), 'utf8'))
    );
    expect([form, typeof name, typeof description]).toEqual([form, 'string', 'string']);
    const ids = body.flatMap((/** @type {any} */ { id }) => (id === undefined ? [] : [id]));
    expect(ids.length).toBeGreaterThan(1);
    expect(new Set(ids).size).toBe(ids.length);
    expect(
      body.every((/** @type {any} */ { type, attributes }) => type !== undefined && attributes !== undefined),
    ).toBe(true);
  }
});
