'use strict';

// The workflows run on GitHub alone. What can be said about them without it is said here: they are well-formed, and what they
// call and list is what this repository has.

const { spawnSync } = require('node:child_process');
const { cpSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const yaml = require('js-yaml');

const { platforms } = require('../../scripts/platforms/table');

const ROOT = path.join(__dirname, '..', '..');
const FOLDER = path.join(ROOT, '.github/workflows');
const files = readdirSync(FOLDER);
const workflow = (/** @type {string} */ file) =>
  /** @type {any} */ (yaml.load(readFileSync(path.join(FOLDER, file), 'utf8')));
const { jobs, ...release } = workflow('release.yml');

/** @param {any} job @returns {any[]} */
const stepsOf = (job) => job.steps ?? [];
const allJobs = files.flatMap((file) =>
  Object.entries(workflow(file).jobs).map(([name, job]) => [`${file}: ${name}`, job]),
);
const allSteps = allJobs.flatMap(([, job]) => stepsOf(job));
const scripts = allSteps.map(({ run }) => run).filter((run) => run !== undefined);

describe('what the workflows call', () => {
  test('are npm scripts that package.json has', () => {
    const called = scripts.flatMap((run) => [...run.matchAll(/\bnpm run ([\w:-]+)/g)].map(([, name]) => name));
    expect([...new Set(called)].sort()).toEqual(['build:platforms', 'pack', 'test:package']);
    expect(Object.keys(require('../../package.json').scripts)).toEqual(expect.arrayContaining(called));
  });

  test('are files of this repository', () => {
    const called = scripts.flatMap((run) =>
      [...run.matchAll(/\b(?:node|bash) ([\w.-]+\/[\w./-]+)/g)].map(([, file]) => file),
    );
    expect(called).toEqual(
      expect.arrayContaining([
        '.ci/run',
        'scripts/release/version.js',
        'scripts/platforms/check-binary.js',
        'scripts/release/publish.js',
      ]),
    );
    expect(called.filter((file) => !existsSync(path.join(ROOT, file)))).toEqual([]);
  });
});

describe('the release builds and tests', () => {
  const built = jobs.build.strategy.matrix.include;

  test('the platforms of the table, no more and no fewer, each for its Rust target', () => {
    const names = (/** @type {any[]} */ list) => list.map(({ name, target }) => `${name} ${target}`).sort();
    expect(names(built)).toEqual(names([...platforms]));
  });

  test('each platform where it runs, musl and glibc in containers too', () => {
    const tested = ['test', 'test-containers'].flatMap((name) => {
      const { matrix } = jobs[name].strategy;
      return [...matrix.name, ...matrix.include.map((/** @type {any} */ entry) => entry.name)];
    });
    expect([...new Set(tested)].sort()).toEqual(platforms.map(({ name }) => name).sort());
  });

  test('on runners of the platform’s own processor and system, where it runs what it built', () => {
    const runners = {
      'linux x64': /^ubuntu-[\d.]+$/,
      'linux arm64': /^ubuntu-[\d.]+-arm$/,
      'win32 x64': /^windows-/,
      'darwin arm64': /^macos-\d+$/,
      'darwin x64': /^macos-\d+-intel$/,
    };
    for (const name of ['test', 'test-containers']) {
      for (const entry of jobs[name].strategy.matrix.include) {
        const { os: system, cpu } = /** @type {any} */ (platforms.find((platform) => platform.name === entry.name));
        expect(entry.runner).toMatch(runners[/** @type {keyof runners} */ (`${system} ${cpu}`)]);
      }
    }
  });
});

describe('who may do what', () => {
  test('nobody anything by default; only one job asks npm, only another writes a release, and neither builds', () => {
    expect(release.permissions).toEqual({});
    const may = Object.fromEntries(
      Object.entries(jobs).map(([name, job]) => [name, /** @type {any} */ (job).permissions]),
    );
    const { publish, release: writes, ...others } = may;
    expect(publish).toEqual({ contents: 'read', 'id-token': 'write' });
    expect(writes).toEqual({ contents: 'write' });
    for (const permissions of Object.values(others)) expect(permissions).toEqual({ contents: 'read' });
    for (const job of [jobs.publish, jobs.release]) {
      for (const { run = '' } of stepsOf(job)) expect(run).not.toMatch(/npm (ci|install)|cargo|docker/);
    }
  });

  test('nothing is published but from a tag, after every other job, behind the environment’s rules', () => {
    expect(jobs.publish.if).toBe("github.ref_type == 'tag'");
    expect(jobs.publish.environment).toBe('npm');
    const before = Object.keys(jobs).filter((name) => !['publish', 'release', 'build'].includes(name));
    expect([...jobs.publish.needs].sort()).toEqual(before.sort());
    expect(jobs.pack.needs).toBe('build');
    expect(jobs.release.needs).toBe('publish');
  });

  test('no secret is named, no cache is read, no checkout leaves a token behind, every job ends in time', () => {
    for (const file of files)
      expect(readFileSync(path.join(FOLDER, file), 'utf8')).not.toMatch(/secrets\.|actions\/cache|cache:/);
    for (const { uses = '', with: inputs } of allSteps) {
      if (uses.startsWith('actions/checkout@')) expect(inputs['persist-credentials']).toBe(false);
    }
    for (const [name, job] of allJobs)
      expect(`${name} ${/** @type {any} */ (job)['timeout-minutes'] ?? 'uses'}`).toMatch(/ \d+$|: ci uses$/);
  });

  test('what somebody outside may name, such as a tag, is never pasted into a command', () => {
    const pasted = scripts.flatMap((run) => run.match(/\$\{\{.*?\}\}/g) ?? []);
    expect(new Set(pasted)).toEqual(new Set(['${{ matrix.target }}']));
  });
});

describe('the check that every action is pinned', () => {
  const { run } = stepsOf(jobs.checks).find(({ name }) => name === 'every action is pinned by the hash of a commit');
  /** @type {string} */
  let folder;
  beforeEach(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'workflows-'));
    cpSync(path.join(ROOT, '.github'), path.join(folder, '.github'), { recursive: true });
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const check = () => spawnSync('bash', ['-e', '-o', 'pipefail', '-c', run], { cwd: folder, encoding: 'utf8' });

  /** @param {(text: string) => string} change */
  function edit(change) {
    for (const file of files) {
      const at = path.join(folder, '.github/workflows', file);
      writeFileSync(at, change(readFileSync(at, 'utf8')));
    }
  }
  const pinned = (/** @type {string} */ text) =>
    text.replace(/(uses: actions\/[\w-]+)@\S+/g, `$1@${'0123456789'.repeat(4)}`);

  test('names an action that has a tag, or less than a whole hash', () => {
    edit((text) => pinned(text).replace(/(uses: actions\/setup-node)@\S+/, '$1@v4'));
    expect(check()).toMatchObject({ status: 1, stdout: expect.stringContaining('actions/setup-node@v4') });
    edit((text) => pinned(text).replace(/(uses: actions\/setup-node)@\S+/, '$1@0123456'));
    expect(check()).toMatchObject({ status: 1, stdout: expect.stringContaining('actions/setup-node@0123456') });
  });

  test('is content when all have one, with the tag in a comment or without', () => {
    edit(pinned);
    expect(check()).toMatchObject({ status: 0, stdout: '' });
    edit((text) => pinned(text).replace(/(uses: actions\/setup-node@\S+)/, '$1 # v4.4.0'));
    expect(check().status).toBe(0);
  });

  test('stops the release as long as an action of ours has none', () => {
    const unpinned = allSteps.some(({ uses }) => uses && !/@[0-9a-f]{40}$/.test(uses));
    expect(check().status).toBe(unpinned ? 1 : 0);
  });
});
