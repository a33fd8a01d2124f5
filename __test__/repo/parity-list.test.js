'use strict';

// What `npm run parity` would find without running anything: every listed scenario stands in some title, no title names another,
// and what differs names a row of docs/differences.md.

const fs = require('node:fs');
const path = require('node:path');
const { differencesIn, matchTests, numbersIn, readScenarios } = require('../../scripts/checks/parity.js');

const folder = path.join(__dirname, '..', 'parity');
const scenarios = readScenarios();

/** Numbers as they stand in the sources of the tests: in a title, or in a row of a table of tests. */
const inTitles = new Set(
  fs
    .readdirSync(folder)
    .filter((name) => name.endsWith('.test.js'))
    .flatMap((name) => numbersIn(fs.readFileSync(path.join(folder, name), 'utf8').replace(/^\/\/.*$/gm, '')))
    .filter((number) => number >= 1),
);

test('every scenario on the list stands in a title', () => {
  expect(scenarios.map(({ number }) => number).filter((number) => !inTitles.has(number))).toEqual([]);
});

test('the list has every scenario a drop-in must meet, each once', () => {
  const range = (from, to) => Array.from({ length: to - from + 1 }, (_, index) => from + index);
  const required = [range(1, 249), range(260, 319), range(330, 391)].flat();
  expect(scenarios.map(({ number }) => number)).toEqual(required);
});

test('what differs on purpose names a row of docs/differences.md', () => {
  const rows = differencesIn(fs.readFileSync(path.join(__dirname, '..', '..', 'docs', 'differences.md'), 'utf8'));
  expect(rows.length).toBeGreaterThan(20);
  expect(scenarios.filter(({ differs }) => differs !== undefined && !rows.includes(differs))).toEqual([]);
});

test('a number without a passing test, a failed test, an unknown number and an unknown row are each a problem', () => {
  const list = [
    { number: 1, what: 'one' },
    { number: 2, what: 'two', differs: 'no such row' },
    { number: 3, what: 'three' },
  ];
  const results = [
    { title: '[1] works', status: 'passed' },
    { title: '[2] works', status: 'passed' },
    { title: '[2] fails', status: 'failed' },
    { title: '[4] works', status: 'passed' },
  ];
  const calls = [{ test: '[1] works', name: 'findOpenIDUser', own: [] }];
  const { rows, problems } = matchTests(list, results, [], calls);
  expect(rows.map(({ passed }) => passed)).toEqual([true, false, false]);
  expect(problems).toHaveLength(5);
});

describe('a scenario that passes in our own spelling only', () => {
  const results = [{ title: '[1] works', fullName: 'all [1] works', status: 'passed' }];
  const passes = (calls, over = {}) =>
    matchTests([{ number: 1, what: 'one', ...over }], results, ['row'], calls).rows[0].passed;
  const call = (own, test = 'all [1] works') => ({ test, name: 'createRemoteAgentAuth', own });

  test.each([
    ['a call as LibreChat makes it', [call([])], true],
    ['one such call beside one with a name of ours', [call(['tenantConflict']), call([])], true],
    ['a name of ours alone', [call(['tenantConflict'])], false],
    ['no call at all', [], false],
    ['the call of another test', [call([], 'all [2] works')], false],
  ])('%s', (_name, calls, passed) => {
    expect(passes(calls)).toBe(passed);
  });

  test('may count where it differs on purpose, or where LibreChat exports nothing for it', () => {
    expect(passes([call(['policy'])], { differs: 'row' })).toBe(true);
    expect(passes([], { differs: 'row' })).toBe(false);
    expect(passes([], { internal: 'what consumers do with the user' })).toBe(true);
  });
});

test('what our callers give and LibreChat’s do not is known by name', () => {
  const { ownNames } = require('../parity/librechat');
  const deps = {
    apiKeyMiddleware() {},
    findUser() {},
    updateUser() {},
    getAppConfig() {},
    isPrincipalActive() {},
    getRolesByNames() {},
  };
  expect(ownNames('createRemoteAgentAuth', [deps])).toEqual([]);
  expect(ownNames('createRemoteAgentAuth', [{ ...deps, logger: {}, getTenantId: undefined }, { realm: 'a' }])).toEqual([
    'logger',
    'realm',
  ]);
  expect(ownNames('selectOpenIdRole', [{ openIdRoles: [], rolePriority: [] }])).toEqual(['openIdRoles']);
  expect(ownNames('preAuthTenantMiddleware', [{ headers: {} }, {}, () => {}])).toEqual([]);
});
