'use strict';

// The tables of docs/options.md against the types, and the variables of docs/environment.md against the code: nothing is missing
// there, and nothing is there that no longer exists.

const { readdirSync } = require('node:fs');
const path = require('node:path');
const ts = require('typescript');
const { ROOT, read } = require('../support/markdown');

const program = ts.createProgram(
  [path.join(ROOT, 'index.d.ts'), path.join(ROOT, 'native.d.ts'), path.join(ROOT, 'librechat.d.ts')],
  { strict: true, types: [] },
);
const checker = program.getTypeChecker();

/** The members of a declared type, its bases' and all alternatives' included. @param {string} file @param {string} name */
function membersOf(file, name) {
  const source = /** @type {ts.SourceFile} */ (program.getSourceFile(path.join(ROOT, file)));
  const exported = checker.getExportsOfModule(/** @type {ts.Symbol} */ (checker.getSymbolAtLocation(source)));
  const type = checker.getDeclaredTypeOfSymbol(
    /** @type {ts.Symbol} */ (exported.find((symbol) => symbol.name === name)),
  );
  const alternatives = type.isUnion() ? type.types : [type];
  return [
    ...new Set(alternatives.flatMap((one) => checker.getPropertiesOfType(one).map((member) => member.name))),
  ].sort();
}

const page = read('docs/options.md');
/** @param {string} heading */
const section = (heading) =>
  /** @type {string} */ (page.split(/^(?=## )/m).find((part) => part.startsWith(`${heading}\n`)));

/** The names in the first cells of the table whose head begins so. @param {string} text @param {string} head */
function named(text, head) {
  const table = text.slice(text.indexOf(`| ${head} |`)).split('\n\n')[0] ?? '';
  const cells = [...table.matchAll(/^\| (.*?) \|/gm)].slice(2).map(([, cell]) => /** @type {string} */ (cell));
  return cells
    .flatMap((cell) => [...cell.matchAll(/`(\w+)[^`]*`/g)].map(([, name]) => /** @type {string} */ (name)))
    .sort();
}

const middleware = section('## The middleware');

test('every dependency of the middleware is in its table, or among the four before it', () => {
  const required = ['apiKeyMiddleware', 'findUser', 'getAppConfig', 'updateUser'];
  for (const name of required) expect(middleware).toContain(`\`${name}\``);
  expect([...named(middleware, 'Dependency'), ...required].sort()).toEqual(
    membersOf('index.d.ts', 'RemoteAgentAuthDeps'),
  );
});

test('every option of the middleware is in its table', () => {
  expect(named(middleware, 'Option')).toEqual(membersOf('index.d.ts', 'RemoteAgentAuthOptions'));
});

test('every policy option is in its table', () => {
  const inOptions = membersOf('native.d.ts', 'PolicyOptions').filter((name) => name !== 'enabled');
  expect(named(section('## The policy'), 'Option')).toEqual(inOptions);
});

test('every option of the adapter is in its table', () => {
  const own = membersOf('librechat.d.ts', 'LibreChatOptions').filter(
    (name) => !membersOf('index.d.ts', 'RemoteAgentAuthOptions').includes(name),
  );
  expect(named(section('## The adapter for LibreChat'), 'Option of `remote-agent-auth/librechat`')).toEqual(own);
});

test('every option of the general middleware is in its table', () => {
  const about = read('docs/bearer-auth.md').split(/^(?=## )/m);
  const options = [...membersOf('bearer-auth.d.ts', 'BearerAuthSettings'), 'issuers', 'resolvePolicy'].sort();
  expect(named(about.find((part) => part.startsWith('## Options')) ?? '', 'Option')).toEqual(options);
  const own = about.find((part) => part.startsWith('## Whom it comes from')) ?? '';
  expect(membersOf('bearer-auth.d.ts', 'BearerAuth').filter((name) => !own.includes(`\`${name}\``))).toEqual([]);
});

test('every option of the verifier is in its table', () => {
  expect(named(section('## The verifier'), 'Option')).toEqual(membersOf('index.d.ts', 'RemoteTokenVerifierOptions'));
});

test('every function of remote-agent-auth/native is mentioned', () => {
  const about = section('## The verifier');
  expect(Object.keys(require('../../native')).filter((name) => !about.includes(`\`${name}\``))).toEqual([]);
});

test('dependencies and options of machine clients are named', () => {
  const about = section('## Machine clients');
  for (const type of ['AgentManagementAuthDeps', 'AgentManagementAuthOptions']) {
    expect(membersOf('index.d.ts', type).filter((name) => !about.includes(`\`${name}\``))).toEqual([]);
  }
});

test('every function and class of the main entry is mentioned', () => {
  const missing = Object.keys(require('../..')).filter(
    (name) => !page.includes(`\`${name}`) && !page.includes(`${name}(`),
  );
  expect(missing).toEqual([]);
});

test('the variables are those the code reads', () => {
  const inLib = readdirSync(path.join(ROOT, 'lib'), { encoding: 'utf8', recursive: true }).filter((file) =>
    file.endsWith('.js'),
  );
  const code = ['binding.js', ...inLib.map((file) => `lib/${file}`)].map(read).join('\n');
  const plain = [...code.matchAll(/\benv\.([A-Z][A-Z_]+)/g)].map(([, name]) => /** @type {string} */ (name));
  const roleSync = [...code.matchAll(/\btext\('([A-Z_]+)'\)/g)].map(([, name]) => `OPENID_ROLE_SYNC_${name}`);
  expect(roleSync.length).toBe(6);
  expect(named(read('docs/environment.md'), 'Variable')).toEqual([...new Set([...plain, ...roleSync])].sort());
});
