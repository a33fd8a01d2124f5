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

/** Suites that test something else than the package, and what. Beside these, all of `repo/` but what is named below. */
const OF_THE_REPOSITORY = Object.freeze({
  'field-cases/d01-tracers-find-the-native-file.test.js': 'packs the repository',
  'field-cases/d02-why-the-native-file-is-refused.test.js': 'packs the repository',
  'journey/console-browser.test.js':
    'a browser, which it installs from Debian; the page it shows is the same in every Node',
  'journey/panics.test.js': 'a native file built with exports that panic',
  'journey/providers.test.js': 'other providers, which it installs from Debian and PyPI',
  'unit/loader/loading-error.test.js': 'copies of the package with a build of this checkout',
});

/** Where the processor is emulated: those in which the native file does most. */
const EMULATED_SUITES = Object.freeze([
  'journey/hostile-input.test.js',
  'journey/journey.test.js',
  'journey/vectors.test.js',
  'unit/middleware/flow.test.js',
]);

/** Suites that start Nodes of every version, which npm has for glibc and x64 only; so once, in the oldest. */
const OF_EVERY_NODE = Object.freeze({
  'field-cases/a11-a12-trust-is-nodes.test.js': 'what Nodes of other versions trust',
  'journey/contexts.test.js': 'Nodes of other versions for the same platform',
});

/**
 * Suites whose answer is the same in every Node and on every platform, and folders of such, by the slash at their end: `npm test` runs
 * them, and `--all` on the machine's own platform in the oldest Node. What remains goes through the native file, or depends on what a
 * Node offers.
 */
const OF_ANY_NODE = Object.freeze({
  'field-cases/': 'rules on inputs',
  'journey/differential.test.js': 'the same decisions as the JavaScript it replaces',
  'journey/mistakes/': 'what an operator reads',
  'journey/peer-express-oauth2-jwt-bearer.test.js': 'the same answers as a peer',
  'journey/replicas.test.js': 'a Redis, which it installs from Debian',
  'journey/secrets-of-urls.test.js': 'what an operator reads',
  'journey/secrets-operators.test.js': 'what an operator reads',
  'journey/shared-keys.test.js': 'a Redis, which it installs from Debian',
  'journey/soak.test.js': 'what is kept over many checks',
  'journey/tenants-oracle.test.js': 'which policy checks which token',
  'journey/test-kit.test.js': 'other test runners, which are not there for every platform',
  'journey/upstream-lines.test.js': 'what an operator reads',
  'parity/': "LibreChat's scenarios",
  'repo/docs-examples.test.js': 'what the documents instruct somebody to do',
  'repo/option-tables.test.js': 'the tables of the documents against the types',
  'repo/provider-recipes.test.js': 'the blocks of the pages on providers',
  'repo/readme.test.js': 'the blocks of the README',
  'unit/accounts/': 'rules in JavaScript',
  'unit/bearer-auth/': 'rules in JavaScript',
  'unit/events/': 'rules in JavaScript',
  'unit/librechat/': 'rules in JavaScript',
  'unit/logout/': 'rules in JavaScript',
  'unit/middleware/': 'rules in JavaScript',
  'unit/operations/': 'what an operator calls by hand',
  'unit/policy/': 'rules in JavaScript',
  'unit/responses/': 'rules in JavaScript',
  'unit/stores/': 'rules in JavaScript, and a Redis',
  'unit/testing/': 'other test runners, which are not there for every platform',
});

/** The suites of `repo/` that are about the package in whichever Node loads it. */
const OF_THE_LOADER = Object.freeze({
  'repo/coming-from.test.js': 'both sides of each guide, on the real packages',
  'repo/exports.test.js': 'what `require` and `import` give',
  'repo/servers-of-pages.test.js': 'the servers of the pages, on the real frameworks',
});

/** What the suites need beside the package. */
const BESIDE = [
  '__test__',
  'jest.config.js',
  'scripts',
  'benchmark',
  'examples',
  'tests/vectors',
  'docs/benchmark.json',
  'docs/coming-from',
  'docs/adapters.md',
  'docs/bearer-auth.md',
];
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
    fs.cpSync(ours, path.join(suites, name), {
      recursive: true,
      filter: (file) => path.basename(file) !== 'node_modules',
    });
  }
  for (const name of SHARED.filter((each) => fs.existsSync(path.join(ROOT, each)))) {
    fs.mkdirSync(path.dirname(path.join(suites, name)), { recursive: true });
    fs.symlinkSync(fs.realpathSync(path.join(ROOT, name)), path.join(suites, name), 'junction');
  }
  return suites;
}

/**
 * @param {string} suites
 * @param {{ otherNodes: boolean, oldest: boolean }} where
 * @returns {string[]}
 */
function leftOut(suites, { otherNodes, oldest }) {
  const tests = path.join(suites, '__test__');
  const inRepo = fs
    .readdirSync(path.join(tests, 'repo'))
    .filter((file) => file.endsWith('.test.js'))
    .map((file) => `repo/${file}`);
  const tried = { ...OF_THE_LOADER, ...OF_ANY_NODE };
  const names = [
    ...Object.keys(OF_THE_REPOSITORY),
    ...inRepo.filter((name) => !(name in tried)),
    ...(otherNodes ? [] : Object.keys(OF_EVERY_NODE)),
    ...(oldest ? [] : Object.keys(OF_ANY_NODE)),
  ];
  return names.filter((name) => fs.existsSync(path.join(tests, name)));
}

/**
 * @param {import('./installation').Installation} installation
 * @param {{ node: string, resolver?: Record<string, string>, otherNodes: boolean, oldest: boolean, timeFactor?: number, only?: string[] }} how
 *   `resolver`: by what jest finds its own native file for this platform; `otherNodes`: whether Nodes of every version can be had;
 *   `oldest`: whether this run is the one for what is tried once; `only`: patterns, where not all are to run
 * @returns {Promise<{ ok: boolean, figure: string, detail: string }>}
 */
async function runSuites(installation, { node, resolver = {}, otherNodes, oldest, timeFactor = 1, only }) {
  const suites = layOut(installation, otherNodes);
  const report = path.join(installation.folder, 'jest.json');
  const bin = path.join(ROOT, 'node_modules', 'jest', 'bin', 'jest.js');
  const left = leftOut(suites, { otherNodes, oldest });
  const args = [bin, '--ci', '--json', `--outputFile=${report}`, `--testTimeout=${20_000 * timeFactor}`];
  if (only) args.push('--runInBand', ...only);
  for (const name of left) {
    const end = name.endsWith('/') ? '' : '$';
    args.push('--testPathIgnorePatterns', `/__test__/${name.replaceAll('.', '\\.')}${end}`);
  }
  const PATH = `${path.dirname(node)}${path.delimiter}${installation.env.PATH}`;
  const env = { ...installation.env, PATH, ...resolver };
  const limit = TIME_LIMIT_MS * Math.min(timeFactor, 4);
  const jest = await run(node, args, { cwd: suites, env, limit, done: JEST_IS_DONE });
  const end = jest.ended === undefined ? '' : `; ${jest.ended}`;
  try {
    if (!fs.existsSync(report))
      return { ok: false, figure: `jest did not run${end}`, detail: jest.output.slice(-20_000) };
    const result = JSON.parse(fs.readFileSync(report, 'utf8'));
    const {
      numPassedTests: passed,
      numFailedTests: failed,
      numPendingTests: skipped,
      numTotalTestSuites: count,
    } = result;
    const broken = result.numRuntimeErrorTestSuites;
    const chosen = only ? 'those chosen for emulation' : `${left.length} suites and folders left out`;
    const figure = `${passed} passed, ${failed} failed, ${skipped} skipped in ${count} suites; ${chosen}${end}`;
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

module.exports = { EMULATED_SUITES, OF_ANY_NODE, OF_EVERY_NODE, OF_THE_LOADER, OF_THE_REPOSITORY, leftOut, runSuites };
