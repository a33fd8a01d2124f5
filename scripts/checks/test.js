'use strict';

// `npm test`: set-up, the Rust core without Node, the addon, jest. The last line is the sum of what the runners counted.

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { JEST_IS_DONE, run } = require('./run.js');
const { setUp, SetupError, root } = require('../build/setup.js');

/** @typedef {{ passed: number, failed: number }} Count */

/**
 * A runner that failed without naming a failed test, had to be ended, or ran no test at all, counts as one failure.
 * @param {string} runner
 * @param {{ code: number, ended?: string }} run
 * @param {Count} count
 * @returns {Count}
 */
function counted(runner, { code, ended }, count) {
  if (ended !== undefined) {
    console.log(`${runner}: ${ended}`);
    return { ...count, failed: count.failed + 1 };
  }
  if (count.passed + count.failed === 0) {
    console.log(`${runner}: no test ran (exit code ${code})`);
    return { passed: 0, failed: 1 };
  }
  if (code !== 0 && count.failed === 0) {
    console.log(`${runner}: exit code ${code} without a failed test`);
    return { ...count, failed: 1 };
  }
  return count;
}

async function rustCore() {
  console.log('\n== Rust core, without Node (cargo test --no-default-features)');
  const args = ['test', '--no-default-features', '--no-fail-fast', '--color=never'];
  const cargo = await run('cargo', args, { cwd: root, shown: true });
  const count = { passed: 0, failed: 0 };
  for (const [, passed, failed, ignored] of cargo.output.matchAll(
    /^test result: \S+ (\d+) passed; (\d+) failed; (\d+) ignored;/gm,
  )) {
    count.passed += Number(passed);
    // A test that is switched off proves nothing: it counts as failed until it runs.
    count.failed += Number(failed) + Number(ignored);
  }
  return counted('cargo test', cargo, count);
}

/**
 * Tests that lack something from outside (__test__/support/needs.js): printed, and neither passed nor failed. Any other test that is
 * switched off counts as failed.
 * @param {{ testResults: { assertionResults: { title: string, status: string }[] }[] }} result
 */
function skippedForWant({ testResults }) {
  return testResults
    .flatMap(({ assertionResults }) => assertionResults)
    .filter(({ title, status }) => status === 'pending' && title.startsWith('[needs '))
    .map(({ title }) => title);
}

async function jest() {
  console.log('\n== addon and JavaScript (jest)');
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'remote-agent-auth-'));
  const report = path.join(folder, 'jest.json');
  try {
    const bin = path.join(root, 'node_modules', 'jest', 'bin', 'jest.js');
    // On two processors jest would use one: many suites wait for a provider, a browser or a compiler more than they work.
    const workers = Math.max(2, os.availableParallelism() - 1);
    const args = [bin, '--ci', '--json', `--outputFile=${report}`, `--maxWorkers=${workers}`];
    const jest = await run(process.execPath, args, { cwd: root, shown: true, limit: 35 * 60_000, done: JEST_IS_DONE });
    const count = { passed: 0, failed: 0 };
    if (fs.existsSync(report)) {
      const result = JSON.parse(fs.readFileSync(report, 'utf8'));
      count.passed = result.numPassedTests;
      const skipped = skippedForWant(result);
      for (const title of skipped) console.log(`SKIPPED  ${title}`);
      count.failed =
        result.numFailedTests +
        (result.numPendingTests - skipped.length) +
        result.numTodoTests +
        result.numRuntimeErrorTestSuites;
    }
    return counted('jest', jest, count);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

async function main() {
  /** @type {Count[]} */
  const counts = [];
  try {
    await setUp();
    counts.push(await rustCore(), await jest());
  } catch (error) {
    console.log(error instanceof SetupError ? `\nset-up failed: ${error.message}` : error);
    counts.push({ passed: 0, failed: 1 });
  }
  const passed = counts.reduce((sum, count) => sum + count.passed, 0);
  const failed = counts.reduce((sum, count) => sum + count.failed, 0);
  process.exitCode = failed === 0 ? 0 : 1;
  console.log(`\n${passed} passed, ${failed} failed`);
}

main();
