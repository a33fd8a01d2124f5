'use strict';

// npm run parity: every scenario of LibreChat's own tests that a drop-in must meet, and the test here that meets it.
//
//   scenario  result  test
//   ...
//   parity: 277 of 277 scenarios have a passing test, 4 of them differ on purpose
//
// The list is __test__/parity/scenarios.json; a test names the scenarios it covers in its title, as `[n]`. Fails on a
// number without a passing test, on a failing test, and on a `differs` that is no row of docs/differences.md.
//
// A scenario is LibreChat's only where it passes as LibreChat's callers call: through `remote-agent-auth/librechat`, with the members
// LibreChat gives to each argument (__test__/parity/librechat.js keeps book). What passes by names that are only ours does not count, but
// for a `differs`, whose row names the option, and an `internal`: what LibreChat does inside, and exports nothing for.

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const root = path.join(__dirname, '..', '..');
const folder = path.join(root, '__test__', 'parity');

/**
 * @typedef {{ number: number, what: string, differs?: string, internal?: string }} Scenario
 * @typedef {{ title: string, fullName?: string, status: string }} Result
 * @typedef {{ test: string, name: string, own: string[] }} Call `own`: the names in it that are only ours
 */

/** @returns {Scenario[]} */
function readScenarios() {
  return JSON.parse(fs.readFileSync(path.join(folder, 'scenarios.json'), 'utf8'));
}

/** The numbers a title carries. @param {string} title @returns {number[]} */
function numbersIn(title) {
  return [...title.matchAll(/\[(\d+)\]/g)].map(([, number]) => Number(number));
}

/** The first cells of the table of differences. @param {string} page docs/differences.md @returns {string[]} */
function differencesIn(page) {
  return [...page.matchAll(/^\| (.*?) \| /gm)].map(([, cell]) => /** @type {string} */ (cell));
}

/** Runs the parity tests with jest. @returns {{ results: Result[], calls: Call[] }} */
function runTests() {
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'parity-'));
  const report = path.join(scratch, 'report.json');
  try {
    const jest = path.join(root, 'node_modules', 'jest', 'bin', 'jest.js');
    const args = [jest, '--ci', '--silent', '--json', `--outputFile=${report}`, '__test__/parity/'];
    const book = path.join(scratch, 'calls.jsonl');
    fs.writeFileSync(book, '');
    const env = { ...process.env, PARITY_CALLS: book };
    spawnSync(process.execPath, args, { cwd: root, env, stdio: ['ignore', 'ignore', 'inherit'] });
    if (!fs.existsSync(report)) return { results: [], calls: [] };
    const calls = fs
      .readFileSync(book, 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));
    const { testResults } = JSON.parse(fs.readFileSync(report, 'utf8'));
    const results = testResults.flatMap((/** @type {any} */ suite) =>
      suite.assertionResults.length > 0 ? suite.assertionResults : [{ title: suite.name, status: 'failed' }],
    );
    return { results, calls };
  } finally {
    fs.rmSync(scratch, { recursive: true, force: true });
  }
}

/**
 * One row for each scenario, and what is wrong as a whole.
 * @param {Scenario[]} scenarios
 * @param {Result[]} results
 * @param {string[]} differences
 * @param {Call[]} calls
 */
function matchTests(scenarios, results, differences, calls) {
  const asLibreChat = new Set(calls.filter(({ own }) => own.length === 0).map(({ test }) => test));
  const inAnyWay = new Set(calls.map(({ test }) => test));
  /** @type {string[]} */
  const problems = results.filter(({ status }) => status === 'failed').map(({ title }) => `failed: ${title}`);
  const listed = new Set(scenarios.map(({ number }) => number));
  for (const { title } of results) {
    for (const number of numbersIn(title)) if (!listed.has(number)) problems.push(`not in the list: ${title}`);
  }
  const rows = scenarios.map((scenario) => {
    const tests = results.filter(({ title }) => numbersIn(title).includes(scenario.number));
    const { differs, internal } = scenario;
    const green = tests.length > 0 && tests.every(({ status }) => status === 'passed');
    const counting = differs === undefined ? asLibreChat : inAnyWay;
    const called = internal !== undefined || tests.some(({ title, fullName = title }) => counting.has(fullName));
    const passed = green && called;
    if (!green) problems.push(`[${scenario.number}] has no passing test: ${scenario.what}`);
    else if (!called) problems.push(`[${scenario.number}] passes in our own spelling only: ${scenario.what}`);
    if (differs !== undefined && !differences.includes(differs)) {
      problems.push(`[${scenario.number}] differs by a row docs/differences.md does not have: ${differs}`);
    }
    return { ...scenario, tests, passed };
  });
  return { rows, problems };
}

/** @param {ReturnType<typeof matchTests>['rows'][number]} row */
function printed({ number, what, differs, tests, passed }) {
  const result = passed ? (differs === undefined ? 'same' : 'differs') : tests.length > 0 ? 'FAILED' : 'MISSING';
  const first = tests[0]?.title ?? what;
  const more = tests.length > 1 ? ` (and ${tests.length - 1} more)` : '';
  const row = passed && differs !== undefined ? `   <- ${differs}` : '';
  return `${String(number).padStart(5)}  ${result.padEnd(7)}  ${first}${more}${row}`;
}

function main() {
  const scenarios = readScenarios();
  const page = fs.readFileSync(path.join(root, 'docs', 'differences.md'), 'utf8');
  const { results, calls } = runTests();
  const { rows, problems } = matchTests(scenarios, results, differencesIn(page), calls);
  process.exitCode = problems.length === 0 ? 0 : 1;
  if (process.argv.includes('--json')) return void console.log(JSON.stringify({ rows, problems }));
  console.log('   no  result   test');
  for (const row of rows) console.log(printed(row));
  for (const problem of problems) console.log(`problem: ${problem}`);
  const passed = rows.filter((row) => row.passed);
  const differing = passed.filter(({ differs }) => differs !== undefined).length;
  console.log(
    `\nparity: ${passed.length} of ${rows.length} scenarios have a passing test, ${differing} of them differ on purpose`,
  );
}

module.exports = { differencesIn, matchTests, numbersIn, readScenarios };

if (require.main === module) main();
