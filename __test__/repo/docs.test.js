'use strict';

// Every fenced block of the documents is run, compiled or parsed, by its language and the comment before it. One that has no
// language, or a language or comment nobody here knows, fails: none can be added unchecked.

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const yaml = require('js-yaml');
const { configSchema } = require('librechat-data-provider');
const { RemoteTokenVerifier } = require('../..');
const { ROOT, anchorsOf, blocksOf, documents, linksOf, read } = require('../support/markdown');
const { checkShell } = require('../support/shell-block');
const { compiled } = require('../support/typed-blocks');

const blocks = documents().flatMap((file) => blocksOf(read(file), file));
const named = blocks.map((block) => ({ ...block, name: `${block.file}:${block.line}` }));
// Inside the repository, where `remote-agent-auth` is this very package.
const cache = path.join(ROOT, '.cache');
fs.mkdirSync(cache, { recursive: true });
const scratch = fs.mkdtempSync(path.join(cache, 'docs-'));
afterAll(() => fs.rmSync(scratch, { recursive: true, force: true }));

/** @typedef {import('../support/markdown').Block} Block */

const isCode = (/** @type {Block} */ { language }) => language === 'js' || language === 'ts';

test('every block of JavaScript and TypeScript agrees with our types, and one that does not is found', async () => {
  const wrong = {
    language: 'js',
    file: 'wrong.md',
    line: 1,
    marker: undefined,
    text: 'verifyRemoteToken(token, { issuer, audiense: audience });',
  };
  expect(blocks.filter(isCode).length).toBeGreaterThan(8);
  const said = await compiled([...blocks.filter(isCode), wrong], fs.mkdtempSync(path.join(scratch, 'code-')));
  // Further lines of an error are indented.
  expect(said.split('\n').filter((line) => /^\S/.test(line))).toEqual([
    expect.stringMatching(/^wrong-md-1\.js\(2,.*audiense/),
  ]);
}, 120_000);

// ---- block by block

/** @param {Block} block */
function checkYaml({ text }) {
  const document = /** @type {any} */ (yaml.load(text));
  const oidc = document?.endpoints?.agents?.remoteApi?.auth?.oidc;
  expect(oidc).toBeDefined();
  configSchema.parse({ version: '1.2.1', ...document });
  // An issuer of many tenants is refused without the option that names those let in; provider-recipes.test.js has the page's own.
  const tenants = oidc.issuer.includes('/organizations/') ? { allowedTenants: ['one'] } : {};
  new RemoteTokenVerifier().compile({ ...oidc, ...tenants });
}

/** The one kind of drawing there is: states and what leads from one to another. @param {Block} block */
function checkMermaid({ text }) {
  const [kind, ...lines] = text.split('\n');
  expect(kind).toBe('stateDiagram-v2');
  for (const line of lines) expect(line).toMatch(/^ {2}(\[\*\]|\w+) --> \w+(: [^:]+)?$/);
}

/** @param {string} folder @param {string} extension @returns {string[]} without the extension, `mod` left out */
function modulesIn(folder, extension) {
  return fs
    .readdirSync(path.join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith(extension) && !file.includes('support'))
    .map((file) => path.basename(file, extension))
    .filter((name) => name !== 'mod');
}

/** The tree of files: what stands at the beginning of a line is there, and what is there stands in it. @param {Block} block */
function checkTree({ file, text }) {
  expect(file).toBe('docs/design.md');
  const listed = text.split('\n').flatMap((line) => {
    const [names = ''] = /^\S.*?(?= {3}|$)/.exec(line) ?? [];
    return names.split(/\s+/).filter((name) => /[./]/.test(name));
  });
  const planned = [
    ...(/Not there yet \(\*planned\*\):([^]*?)\n\n/.exec(read(file))?.[1] ?? '').matchAll(/`(.*?)`/g),
  ].map(([, name]) => name);
  const isThere = (/** @type {string | undefined} */ name) => fs.existsSync(path.join(ROOT, `${name}`));
  expect(listed.length).toBeGreaterThan(10);
  expect(listed.filter((name) => !isThere(name) && !planned.includes(name))).toEqual([]);
  expect(planned.filter(isThere)).toEqual([]);
  const part = (/** @type {string} */ folder) =>
    text.split(/^(?=\S)/m).find((lines) => lines.startsWith(`${folder}/`)) ?? '';
  for (const [folder, extension] of [
    ['src', '.rs'],
    ['lib', '.js'],
    ['tests', '.rs'],
  ]) {
    const words = part(folder)
      .split(/[\s,;:]+/)
      .map((word) => word.replace(/\.(js|rs)$/, ''));
    expect([folder, modulesIn(folder, extension).filter((name) => !words.includes(name))]).toEqual([folder, []]);
  }
  const [, ...rooms] = part('lib').split(/^ {2}(?=[a-z])/m);
  const files = rooms.flatMap((room) => {
    const [heading = '', ...lines] = room.trimEnd().split('\n');
    const names = lines.flatMap((line) => (/^ {4}(\S.*?)(?= {3}|$)/.exec(line)?.[1] ?? '').split(' '));
    return names.filter(Boolean).map((name) => `lib/${heading.split('/')[0]}/${name}.js`);
  });
  expect(files.length).toBe(modulesIn('lib', '.js').length);
  expect(files.filter((name) => !isThere(name))).toEqual([]);
}

/** @type {Record<string, (block: Block) => void>} */
const LANGUAGES = {
  js: () => {},
  ts: () => {},
  sh: checkShell,
  yaml: checkYaml,
  json: ({ text }) => void JSON.parse(text),
  mermaid: checkMermaid,
  text: checkTree,
};
/**
 * js and ts are compiled above; a comment before a block says what else is done with it. By readme.test.js, by docs-examples.test.js, `testing` and `run in a folder of LibreChat` by field cases, `kit` by testing-page.test.js, `before` and `after` by coming-from.test.js, `profiles` by unit/verifier/profiles.test.js,
 * and `run against Keycloak` by `npm run providers`.
 */
const MARKERS = [
  'example',
  'newcomer',
  'newcomer provider.js',
  'mongosh',
  'testing',
  'kit',
  'before',
  'after',
  'profiles',
  'run in a folder of LibreChat',
  'run in a folder with token.txt',
  'run against Keycloak',
];

/** @param {Block} block */
function check(block) {
  const at = `${block.file}:${block.line}`;
  if (!Object.hasOwn(LANGUAGES, block.language)) throw new Error(`${at}: no check for a block of "${block.language}"`);
  if (block.marker !== undefined && !MARKERS.includes(block.marker))
    throw new Error(`${at}: no check called "${block.marker}"`);
  LANGUAGES[block.language](block);
}

describe('each block holds', () => {
  test.each(named)('$name ($language)', (block) => check(block));
});

describe('a block that cannot be checked fails', () => {
  const fence = '```';
  test.each([
    ['without a language', '', 'x', undefined],
    ['of a language nobody checks', 'python', 'x', undefined],
    ['with a comment nobody knows', 'js', 'x', '<!-- trust me -->'],
    ['of shell with a command nobody checks', 'sh', 'rm -rf x', undefined],
    ['of shell that is none', 'sh', 'curl "', undefined],
    ['of shell with a script we do not have', 'sh', 'npm run nothing', undefined],
    ['of yaml that is no configuration', 'yaml', 'a: 1', undefined],
    ['of json that is none', 'json', '{', undefined],
    [
      'of yaml with a policy that is refused',
      'yaml',
      'endpoints: { agents: { remoteApi: { auth: { oidc: { enabled: true, issuer: "http://a.example", audience: x } } } } }',
      undefined,
    ],
    ['of text outside the tree', 'text', 'x', undefined],
  ])('%s', (_name, language, text, marker) => {
    const [block] = blocksOf([marker ?? '', `${fence}${language}`, text, fence].join('\n'), 'a.md');
    expect(() => check(block)).toThrow();
  });

  test('that is never closed', () => {
    expect(() => blocksOf(`${fence}js\nx`, 'a.md')).toThrow('never closed');
  });
});

// ---- the pages as a whole

const pages = documents().filter((file) => file.startsWith('docs/') && !file.endsWith('README.md'));

test.each(documents().filter((file) => file.startsWith('docs/')))('%s says first whom it is for', (file) => {
  expect(read(file)).toMatch(/^# .+\n\nFor \w/);
});

test('docs/README.md names every page', () => {
  const linked = linksOf(read('docs/README.md')).map((link) => path.posix.join('docs', link));
  // Who installs the package has neither: the page on releasing is named there, and not linked.
  const named = ['docs/releasing.md'].filter((file) => read('docs/README.md').includes(`\`${file}\``));
  const listed = [
    ...linked,
    ...named,
    ...['docs/coming-from', 'docs/providers'].flatMap((folder) =>
      linksOf(read(`${folder}/README.md`)).map((link) => path.posix.join(folder, link)),
    ),
  ];
  expect(pages.filter((file) => !listed.includes(file))).toEqual([]);
});

// ---- links

/** Who installs the package reads its README there, or on the registry's page. */
test('what the README links to is in the package', () => {
  const listed = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: ROOT,
    encoding: 'utf8',
    stdio: 'pipe',
  });
  const packed = JSON.parse(listed)[0].files.map(({ path: file }) => file);
  for (const file of packed.filter((name) => name.endsWith('.md'))) {
    const targets = linksOf(read(file)).map((link) =>
      path.posix.join(path.posix.dirname(file), link.split('#')[0] || path.posix.basename(file)),
    );
    const missing = targets.filter(
      (target) => !packed.some((name) => name === target || name.startsWith(`${target}/`)),
    );
    expect([file, missing]).toEqual([file, []]);
  }
}, 60_000);

test.each(documents())('the links of %s lead somewhere', (file) => {
  const dangling = linksOf(read(file)).filter((link) => {
    const [target, anchor] = link.split('#');
    const to = target === '' ? file : path.posix.join(path.posix.dirname(file), target);
    if (!fs.existsSync(path.join(ROOT, to))) return true;
    return anchor !== undefined && !anchorsOf(read(to)).includes(anchor);
  });
  expect(dangling).toEqual([]);
});
