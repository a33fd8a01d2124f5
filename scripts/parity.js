'use strict';

// npm run parity: every scenario of LibreChat's own tests that a drop-in must meet, and the test here that meets it.
//
//   scenario  result  test
//   ...
//   parity: 277 of 277 scenarios have a passing test, 4 of them differ on purpose
//
// The list is __test__/parity/scenarios.json; a test names the scenarios it covers in its title, as `[n]`. Fails on a
// number without a passing test, on a failing test, and on a `differs` that is no row of the README's table.

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const root = path.join(__dirname, '..');
const folder = path.join(root, '__test__', 'parity');

/**
 * @typedef {{ number: number, what: string, differs?: string }} Scenario
 * @typedef {{ title: string, status: string }} Result
 */

/** @returns {Scenario[]} */
function readScenarios() {
  return JSON.parse(fs.readFileSync(path.join(folder, 'scenarios.json'), 'utf8'));
}

/** The numbers a title carries. @param {string} title @returns {number[]} */
function numbersIn(title) {
  return [...title.matchAll(/\[(\d+)\]/g)].map(([, number]) => Number(number));
}

/** The first cells of the README's table of differences. @param {string} readme @returns {string[]} */
function differencesIn(readme) {
  const table = readme.split('\n## ').find((part) => part.startsWith('Where it differs')) ?? '';
  return [...table.matchAll(/^\| (.*?) \| /gm)].map(([, cell]) => /** @type {string} */ (cell));
}

/** Runs the parity tests with jest. @returns {Result[]} */
function runTests() {
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'parity-'));
  const report = path.join(scratch, 'report.json');
  try {
    const jest = path.join(root, 'node_modules', 'jest', 'bin', 'jest.js');
    const args = [jest, '--ci', '--silent', '--json', `--outputFile=${report}`, '__test__/parity/'];
    spawnSync(process.execPath, args, { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
    if (!fs.existsSync(report)) return [];
    const { testResults } = JSON.parse(fs.readFileSync(report, 'utf8'));
    return testResults.flatMap((/** @type {any} */ suite) =>
      suite.assertionResults.length > 0 ? suite.assertionResults : [{ title: suite.name, status: 'failed' }],
    );
  } finally {
    fs.rmSync(scratch, { recursive: true, force: true });
  }
}

/**
 * One row for each scenario, and what is wrong as a whole.
 * @param {Scenario[]} scenarios
 * @param {Result[]} results
 * @param {string[]} differences
 */
function judge(scenarios, results, differences) {
  /** @type {string[]} */
  const problems = results.filter(({ status }) => status === 'failed').map(({ title }) => `failed: ${title}`);
  const listed = new Set(scenarios.map(({ number }) => number));
  for (const { title } of results) {
    for (const number of numbersIn(title)) if (!listed.has(number)) problems.push(`not in the list: ${title}`);
  }
  const rows = scenarios.map((scenario) => {
    const tests = results.filter(({ title }) => numbersIn(title).includes(scenario.number));
    const passed = tests.length > 0 && tests.every(({ status }) => status === 'passed');
    if (!passed) problems.push(`[${scenario.number}] has no passing test: ${scenario.what}`);
    const { differs } = scenario;
    if (differs !== undefined && !differences.includes(differs)) {
      problems.push(`[${scenario.number}] differs by a row the README does not have: ${differs}`);
    }
    return { ...scenario, tests, passed };
  });
  return { rows, problems };
}

/** @param {ReturnType<typeof judge>['rows'][number]} row */
function printed({ number, what, differs, tests, passed }) {
  const result = passed ? (differs === undefined ? 'same' : 'differs') : tests.length > 0 ? 'FAILED' : 'MISSING';
  const first = tests[0]?.title ?? what;
  const more = tests.length > 1 ? ` (and ${tests.length - 1} more)` : '';
  const row = passed && differs !== undefined ? `   <- ${differs}` : '';
  return `${String(number).padStart(5)}  ${result.padEnd(7)}  ${first}${more}${row}`;
}

function main() {
  const scenarios = readScenarios();
  const readme = fs.readFileSync(path.join(root, 'README.md'), 'utf8');
  const { rows, problems } = judge(scenarios, runTests(), differencesIn(readme));
  console.log('   no  result   test');
  for (const row of rows) console.log(printed(row));
  for (const problem of problems) console.log(`problem: ${problem}`);
  const passed = rows.filter((row) => row.passed);
  const differing = passed.filter(({ differs }) => differs !== undefined).length;
  console.log(
    `\nparity: ${passed.length} of ${rows.length} scenarios have a passing test, ${differing} of them differ on purpose`,
  );
  process.exitCode = problems.length === 0 ? 0 : 1;
}

module.exports = { differencesIn, judge, numbersIn, readScenarios };

if (require.main === module) main();
