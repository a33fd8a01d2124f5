'use strict';

// The command of docs/migration.md, run as it stands on files that import and pass what LibreChat's two lines do.

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const vm = require('node:vm');
const { blocksOf, read } = require('../support/markdown');

const PLACE = 'api/server/routes/agents/middleware.js';
const LINES = {
  'v0.8.7': {
    imports: [
      'generateCheckAccess',
      'preAuthTenantMiddleware',
      'createRequireApiKeyAuth',
      'createRemoteAgentAuth',
      'createCheckRemoteAgentAccess',
    ],
    passes: [
      'apiKeyMiddleware',
      'findUser: db.findUser',
      'getRolesByNames: db.findRolesByNames',
      'updateUser: db.updateUser',
      'getAppConfig',
    ],
  },
  'v0.8.8': {
    imports: [
      ...[
        'generateCheckAccess',
        'preAuthTenantMiddleware',
        'createRequireApiKeyAuth',
        'createRemoteAgentAuth',
        'createAgentManagementAuth',
      ],
      ...['createConversationManagementAuth', 'createCheckAgentTriggerAccess', 'createCheckRemoteAgentAccess'],
    ],
    passes: [
      ...[
        'apiKeyMiddleware',
        'findUser: db.findUser',
        'getRolesByNames: db.findRolesByNames',
        'updateUser: db.updateUser',
      ],
      ...['isPrincipalActive: db.isPrincipalActive', 'getAppConfig'],
    ],
  },
};

/** A file of that shape. @param {{ imports: string[], passes: string[] }} line */
const fileOf = ({ imports, passes }) =>
  [
    "const { Permissions } = require('librechat-data-provider');",
    'const {',
    ...imports.map((name) => `  ${name},`),
    "} = require('@librechat/api');",
    "const { getAppConfig } = require('~/server/services/Config');",
    "const db = require('~/models');",
    '',
    'const apiKeyMiddleware = createRequireApiKeyAuth({ findUser: db.findUser });',
    'const requireRemoteAgentAuth = createRemoteAgentAuth({',
    ...passes.map((member) => `  ${member},`),
    '});',
    '',
    'module.exports = { requireRemoteAgentAuth };',
    '',
  ].join('\n');

const [command] = blocksOf(read('docs/migration.md'), 'docs/migration.md').filter(
  ({ marker }) => marker === 'run in a folder of LibreChat',
);
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'librechat-'));
afterAll(() => fs.rmSync(scratch, { recursive: true, force: true }));

/** The file after the command. @param {string} before */
function changed(before) {
  const file = path.join(scratch, PLACE);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, before);
  execFileSync('bash', ['-c', command.text], { cwd: scratch, stdio: 'pipe' });
  return fs.readFileSync(file, 'utf8');
}

/** Runs a file with doubles of what it requires: which package each factory came from, and what ours was given. @param {string} text */
function run(text) {
  const given = [];
  const from = (name) =>
    new Proxy(
      {},
      {
        get: (_, factory) => (deps) => (
          factory === 'createRemoteAgentAuth' && given.push([name, Object.keys(deps)]), () => {}
        ),
      },
    );
  vm.runInNewContext(text, {
    require: (name) => (name === '~/models' ? new Proxy({}, { get: () => () => {} }) : from(name)),
    module: {},
  });
  return given;
}

describe.each(Object.entries(LINES))('F4 %s', (_line, shape) => {
  const before = fileOf(shape);
  const names = shape.passes.map((member) => member.split(':')[0]);

  test('F4 the command moves the one import and nothing else', () => {
    const after = changed(before);
    const lines = (text) => text.split('\n');
    expect(lines(before).filter((line) => !lines(after).includes(line))).toEqual(['  createRemoteAgentAuth,']);
    const added = 'const { createRemoteAgentAuth } = require("remote-agent-auth/librechat");';
    expect(lines(after).filter((line) => !lines(before).includes(line))).toEqual([added]);
    expect(lines(after)[lines(after).indexOf(added) - 1]).toBe("} = require('@librechat/api');");
    expect(run(before)).toEqual([['@librechat/api', names]]);
    expect(run(after)).toEqual([['remote-agent-auth/librechat', names]]);
  });

  test('F4 a second run changes nothing, and neither do the order of names or the ends of lines matter', () => {
    const after = changed(before);
    expect(changed(after)).toBe(after);
    const reversed = fileOf({ ...shape, imports: [...shape.imports].reverse() });
    expect(run(changed(reversed))).toEqual([['remote-agent-auth/librechat', names]]);
    const windows = changed(before.replaceAll('\n', '\r\n'));
    expect(windows.replaceAll('\r\n', '')).not.toContain('\n');
    expect(run(windows)).toEqual([['remote-agent-auth/librechat', names]]);
  });

  test.each([
    [
      'as the last name, without a comma',
      (text) =>
        text
          .replace('  createRemoteAgentAuth,\n', '')
          .replace(",\n} = require('@librechat/api')", ",\n  createRemoteAgentAuth\n} = require('@librechat/api')"),
    ],
    [
      'in a list on one line',
      (text) =>
        text.replace(
          /\{\n([^}]*)\} = require\('@librechat\/api'\)/,
          (_, list) => `{ ${list.trim().replace(/,?\n */g, ', ')} } = require('@librechat/api')`,
        ),
    ],
    [
      'alone',
      (text) =>
        text
          .replace('  createRemoteAgentAuth,\n', '')
          .replace('const {\n', "const { createRemoteAgentAuth } = require('@librechat/api');\nconst {\n"),
    ],
    [
      'indented by tabs, in double quotes, without semicolons',
      (text) => text.replaceAll('\n  ', '\n\t').replaceAll("'", '"').replaceAll(';', ''),
    ],
  ])('F4 the name stands %s', (_place, written) => {
    const text = written(before);
    expect(text).not.toBe(before);
    const after = changed(text);
    expect(run(after)).toEqual([['remote-agent-auth/librechat', names]]);
    expect(changed(after)).toBe(after);
  });

  test('F4 a file without that import is left alone, and the command says so', () => {
    const without = before.replace('  createRemoteAgentAuth,\n', '');
    let error;
    try {
      changed(without);
    } catch (thrown) {
      error = thrown;
    }
    expect(String(error?.stderr)).toContain(`${PLACE} does not import createRemoteAgentAuth from @librechat/api`);
    expect(fs.readFileSync(path.join(scratch, PLACE), 'utf8')).toBe(without);
  });

  test('F4 the page has a section for it that names what it imports and passes', () => {
    const section =
      read('docs/migration.md')
        .split(/^### /m)
        .find((part) => part.startsWith(`LibreChat ${_line}`)) ?? '';
    const expected =
      _line === 'v0.8.7' ? [...shape.imports, ...names] : ['isPrincipalActive', ...shape.imports.slice(4, 7)];
    expect(expected.filter((name) => !section.includes(name))).toEqual([]);
  });
});
