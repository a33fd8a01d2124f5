'use strict';

// The jest suites of this repository on an installed package: its very files are laid out as a checkout is, with the tests beside them
// and no build of our own, so that what the tests and the processes they start require is the installed JavaScript, which finds the
// native file where npm has put it.

const fs = require('node:fs');
const path = require('node:path');
const { JEST_IS_DONE, run } = require('../../scripts/checks/run');
const { nodeOf } = require('../support/nodes');

const ROOT = path.join(__dirname, '..', '..');
/** Three to five times what it takes on two cores. */
const TIME_LIMIT_MS = 15 * 60_000;

/** Suites that test something else than the package, and what. */
const OF_THE_REPOSITORY = Object.freeze({
  'repo/architecture.test.js': 'the imports of the Rust sources',
  'repo/check-binary.test.js': 'the script that checks built files',
  'repo/codes.test.js': 'that generated files are those of Rust',
  'repo/deny.test.js': 'the crates',
  'repo/docs.test.js': 'the documents',
  'field-cases/d01-tracers-find-the-native-file.test.js': 'packs the repository',
  'field-cases/d02-why-the-native-file-is-refused.test.js': 'packs the repository',
  'unit/loader/loading-error.test.js': 'copies of the package with a build of this checkout',
  'repo/notices.test.js': 'the licence notices of the crates',
  'repo/pack.test.js': 'the script that packs',
  'repo/packed-files.test.js': 'what npm would pack from the repository',
  'journey/panics.test.js': 'a native file built with exports that panic',
  'repo/parity-list.test.js': 'a list of the tests',
  'repo/platforms.test.js': 'npm/ and the table it is written from',
  'journey/providers.test.js': 'other providers, which it installs from Debian and PyPI',
  'repo/providers-script.test.js': 'the script that starts real providers',
  'repo/publish.test.js': 'the release scripts',
  'repo/scripts.test.js': 'the scripts of the repository',
  'repo/types.test.js': 'the types in the repository; the installed ones are compiled by a check of their own',
  'repo/version.test.js': 'the version in every manifest',
  'repo/workflows.test.js': 'the workflow files',
});

/** Suites that start Nodes of other versions, which npm has for glibc and x64 only. */
const OF_OTHER_NODES = Object.freeze({
  'journey/contexts.test.js': 'Nodes of other versions for the same platform',
  'field-cases/a11-a12-trust-is-nodes.test.js': 'what Nodes of other versions trust',
});

/** What the suites need beside the package. */
const BESIDE = ['__test__', 'jest.config.js', 'scripts', 'benchmark', 'examples', 'tests/vectors'];
/**
 * What holds tools and is shared with the checkout, where it is there. Nothing that tests write code into: from there it would find the
 * package of the checkout.
 */
const SHARED = ['node_modules', 'target/python', '.cache/node-20', '.cache/node-22', '.cache/node-24'];
const MAJORS = [20, 22, 24];

/** @param {import('./installation').Installation} installation @param {boolean} otherNodes @returns {string} */
function layOut({ main, folder }, otherNodes) {
  // Made here once, where every run finds them.
  fs.mkdirSync(path.join(ROOT, 'target', 'python'), { recursive: true });
  if (otherNodes) MAJORS.forEach(nodeOf);
  const suites = path.join(folder, 'suites');
  fs.cpSync(main, suites, { recursive: true });
  for (const name of BESIDE) {
    const ours = path.join(ROOT, name);
    fs.cpSync(ours, path.join(suites, name), { recursive: true, filter: (file) => path.basename(file) !== 'node_modules' });
  }
  for (const name of SHARED.filter((each) => fs.existsSync(path.join(ROOT, each)))) {
    fs.mkdirSync(path.dirname(path.join(suites, name)), { recursive: true });
    fs.symlinkSync(fs.realpathSync(path.join(ROOT, name)), path.join(suites, name), 'junction');
  }
  return suites;
}

/** @param {string} suites @param {boolean} otherNodes @returns {string[]} */
function leftOut(suites, otherNodes) {
  const names = Object.keys({ ...OF_THE_REPOSITORY, ...(otherNodes ? {} : OF_OTHER_NODES) });
  return names.filter((name) => fs.existsSync(path.join(suites, '__test__', name)));
}

/**
 * @param {import('./installation').Installation} installation
 * @param {{ node: string, resolver?: Record<string, string>, otherNodes: boolean, timeFactor?: number, only?: string[] }} how `resolver`: by what jest
 *   finds its own native file for this platform; `only`: patterns, where not all are to run
 * @returns {Promise<{ ok: boolean, figure: string, detail: string }>}
 */
async function runSuites(installation, { node, resolver = {}, otherNodes, timeFactor = 1, only }) {
  const suites = layOut(installation, otherNodes);
  const report = path.join(installation.folder, 'jest.json');
  const bin = path.join(ROOT, 'node_modules', 'jest', 'bin', 'jest.js');
  const left = leftOut(suites, otherNodes);
  const args = [bin, '--ci', '--json', `--outputFile=${report}`, `--testTimeout=${20_000 * timeFactor}`];
  if (only) args.push('--runInBand', ...only);
  for (const name of left) args.push('--testPathIgnorePatterns', `/__test__/${name.replaceAll('.', '\\.')}$`);
  const PATH = `${path.dirname(node)}${path.delimiter}${installation.env.PATH}`;
  const env = { ...installation.env, PATH, ...resolver };
  const limit = TIME_LIMIT_MS * Math.min(timeFactor, 4);
  const jest = await run(node, args, { cwd: suites, env, limit, done: JEST_IS_DONE });
  const end = jest.ended === undefined ? '' : `; ${jest.ended}`;
  try {
    if (!fs.existsSync(report)) return { ok: false, figure: `jest did not run${end}`, detail: jest.output.slice(-20_000) };
    const result = JSON.parse(fs.readFileSync(report, 'utf8'));
    const { numPassedTests: passed, numFailedTests: failed, numPendingTests: skipped, numTotalTestSuites: count } = result;
    const broken = result.numRuntimeErrorTestSuites;
    const figure = `${passed} passed, ${failed} failed, ${skipped} skipped in ${count} suites; ${only ? 'those chosen for emulation' : `${left.length} about the repository left out`}${end}`;
    const ok = jest.code === 0 && failed === 0 && broken === 0 && passed > 0;
    return { ok, figure, detail: ok ? '' : failures(result) };
  } finally {
    fs.rmSync(suites, { recursive: true, force: true });
    fs.rmSync(report, { force: true });
  }
}

/** @param {{ testResults: { name: string, message: string, status: string }[] }} result */
function failures({ testResults }) {
  return testResults
    .filter(({ status }) => status !== 'passed')
    .map(({ name, message }) => `${path.basename(name)}\n${message}`)
    .join('\n');
}

module.exports = { OF_OTHER_NODES, OF_THE_REPOSITORY, runSuites };
