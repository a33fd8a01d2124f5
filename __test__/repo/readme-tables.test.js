'use strict';

// The README's tables of options against the types, and its variables against the code: nothing is missing there, and nothing is
// there that is no more.

const { readdirSync } = require('node:fs');
const path = require('node:path');
const ts = require('typescript');
const { ROOT, read } = require('../support/markdown');

const program = ts.createProgram([path.join(ROOT, 'index.d.ts'), path.join(ROOT, 'native.d.ts')], { strict: true, types: [] });
const checker = program.getTypeChecker();

/** The members of a declared type, its bases' and all alternatives' included. @param {string} file @param {string} name */
function membersOf(file, name) {
  const source = /** @type {ts.SourceFile} */ (program.getSourceFile(path.join(ROOT, file)));
  const exported = checker.getExportsOfModule(/** @type {ts.Symbol} */ (checker.getSymbolAtLocation(source)));
  const type = checker.getDeclaredTypeOfSymbol(/** @type {ts.Symbol} */ (exported.find((symbol) => symbol.name === name)));
  const alternatives = type.isUnion() ? type.types : [type];
  return [...new Set(alternatives.flatMap((one) => checker.getPropertiesOfType(one).map((member) => member.name)))].sort();
}

const readme = read('README.md');
/** @param {string} heading */
const section = (heading) => /** @type {string} */ (readme.split(/^(?=##)/m).find((part) => part.startsWith(`${heading}\n`)));

/** The names in the first cells of the table whose head begins so. @param {string} text @param {string} head */
function named(text, head) {
  const table = text.slice(text.indexOf(`| ${head} |`)).split('\n\n')[0] ?? '';
  const cells = [...table.matchAll(/^\| (.*?) \|/gm)].slice(2).map(([, cell]) => /** @type {string} */ (cell));
  return cells.flatMap((cell) => [...cell.matchAll(/`(\w+)[^`]*`/g)].map(([, name]) => /** @type {string} */ (name))).sort();
}

const middleware = section('### Dependencies and options of the middleware');

test('every dependency of the middleware is in its table, or among the four before it', () => {
  const required = ['apiKeyMiddleware', 'findUser', 'getAppConfig', 'updateUser'];
  for (const name of required) expect(middleware).toContain(`\`${name}\``);
  expect([...named(middleware, 'Dependency'), ...required].sort()).toEqual(membersOf('index.d.ts', 'RemoteAgentAuthDeps'));
});

test('every option of the middleware is in its table', () => {
  expect(named(middleware, 'Option')).toEqual(membersOf('index.d.ts', 'RemoteAgentAuthOptions'));
});

test('every policy option is in its table', () => {
  const inOptions = membersOf('native.d.ts', 'PolicyOptions').filter((name) => name !== 'enabled');
  expect(named(section('### Policy options'), 'Option')).toEqual(inOptions);
});

test('dependencies and options of machine clients are named', () => {
  const about = section('### Machine clients');
  for (const type of ['AgentManagementAuthDeps', 'AgentManagementAuthOptions']) {
    expect(membersOf('index.d.ts', type).filter((name) => !about.includes(`\`${name}\``))).toEqual([]);
  }
});

test('every function and class of the main entry is mentioned', () => {
  const missing = Object.keys(require('../..')).filter((name) => !readme.includes(`\`${name}`) && !readme.includes(`${name}(`));
  expect(missing).toEqual([]);
});

test('the variables are those the code reads', () => {
  const inLib = readdirSync(path.join(ROOT, 'lib'), { encoding: 'utf8', recursive: true }).filter((file) => file.endsWith('.js'));
  const code = ['binding.js', ...inLib.map((file) => `lib/${file}`)].map(read).join('\n');
  const plain = [...code.matchAll(/\benv\.([A-Z][A-Z_]+)/g)].map(([, name]) => /** @type {string} */ (name));
  const roleSync = [...code.matchAll(/\btext\('([A-Z_]+)'\)/g)].map(([, name]) => `OPENID_ROLE_SYNC_${name}`);
  expect(roleSync.length).toBe(6);
  expect(named(section('### Environment'), 'Variable')).toEqual([...new Set([...plain, ...roleSync])].sort());
});
