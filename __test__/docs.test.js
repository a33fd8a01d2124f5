'use strict';

// Every fenced block of the documents is run, compiled or parsed, by its language and the comment before it. One that has no
// language, or a language or comment nobody here knows, fails: none can be added unchecked.

const { execFile, execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { promisify } = require('node:util');
const vm = require('node:vm');
const { createModels } = quietly(() => require('@librechat/data-schemas'));
const yaml = require('js-yaml');
const { configSchema } = require('librechat-data-provider');
const mongoose = require('mongoose');
const { RemoteTokenVerifier } = require('..');
const { Issuer } = require('./support/issuer');
const { ROOT, anchorsOf, blocksOf, documents, linksOf, read } = require('./support/markdown');

/** Loading LibreChat's package must not begin a log on the disk. @template T @param {() => T} load @returns {T} */
function quietly(load) {
  process.env.LOG_TO_FILE = 'false';
  return load();
}

const blocks = documents().flatMap((file) => blocksOf(read(file), file));
const named = blocks.map((block) => ({ ...block, name: `${block.file}:${block.line}` }));
// Inside the repository, where `remote-agent-auth` is this very package.
const cache = path.join(ROOT, '.cache');
fs.mkdirSync(cache, { recursive: true });
const scratch = fs.mkdtempSync(path.join(cache, 'docs-'));
afterAll(() => fs.rmSync(scratch, { recursive: true, force: true }));

/** @typedef {import('./support/markdown').Block} Block */

// ---- js, ts: compiled against our types, all in one go

/** Where `await` or `return` stand alone, as they may in a fragment, a function goes around them. @param {Block} block */
function asFile({ language, text }) {
  return /^import /m.test(text) ? [`m${language}`, text] : [language, `(async () => {\n${text}\n})();`];
}

/** @param {Block[]} list @returns {Promise<string>} what tsc says about them; empty when it is content */
async function compiled(list) {
  const folder = fs.mkdtempSync(path.join(scratch, 'code-'));
  const files = list.map((block) => {
    const [extension, text] = asFile(block);
    const name = `${block.file.replace(/\W/g, '-')}-${block.line}.${extension}`;
    fs.writeFileSync(path.join(folder, name), text);
    return name;
  });
  const compilerOptions = {
    ...{ allowJs: true, checkJs: true, noEmit: true, strict: true, noImplicitAny: false, skipLibCheck: true },
    ...{ target: 'ES2022', lib: ['ES2023'], module: 'Node16', moduleResolution: 'Node16', types: ['node'] },
    ...{ moduleDetection: 'force', esModuleInterop: true, maxNodeModuleJsDepth: 0 },
  };
  const globals = path.join(__dirname, 'types', 'docs-globals.d.ts');
  fs.writeFileSync(path.join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: [...files, globals] }));
  const tsc = require.resolve('typescript/bin/tsc');
  return promisify(execFile)(process.execPath, [tsc, '-p', folder], { cwd: folder }).then(
    () => '',
    (error) => error.stdout || error.message,
  );
}

const isCode = (/** @type {Block} */ { language }) => language === 'js' || language === 'ts';

test('every block of JavaScript and TypeScript agrees with our types', async () => {
  expect(blocks.filter(isCode).length).toBeGreaterThan(8);
  expect(await compiled(blocks.filter(isCode))).toBe('');
}, 120_000);

// ---- sh

/** @param {Block} block */
function checkShell(block) {
  execFileSync('bash', ['-n'], { input: block.text, stdio: 'pipe' });
  const commands = block.text
    .replace(/\\\n\s*/g, ' ')
    .replace(/'[^']*'|"[^"]*"/g, (quoted) => quoted.replace(/[|#&\n]/g, '_'))
    .split(/\n|\||&&/)
    .map((line) => line.replace(/(^|\s)#.*$/, '').trim())
    .filter((line) => line !== '');
  for (const command of commands) checkCommand(command.replace(/^(?:[A-Z_]+=\S+ )+/, '').replace(/ &$/, '').split(/\s+/), block);
}

/** @param {string[]} words @param {Block} block */
function checkCommand([program = '', ...args], block) {
  const known = COMMANDS[program];
  if (known === undefined) throw new Error(`${block.file}:${block.line}: nobody here checks \`${program}\``);
  known(args, block);
}

const { scripts, name: packageName } = require('../package.json');

/** @type {Record<string, (args: string[], block: Block) => void>} */
const COMMANDS = {
  npm(args) {
    const [command, ...rest] = args.filter((word) => !word.startsWith('-'));
    if (command === 'test' || command === 'ci') return;
    if (command === 'run') expect(Object.keys(scripts)).toEqual(expect.arrayContaining([rest[0]]));
    else if (command === 'install') expect([packageName, 'express', 'api']).toEqual(expect.arrayContaining(rest));
    else if (rest[0] !== undefined && scripts[rest[0]]) return;
    else if (command !== undefined && scripts[command]) return;
    else throw new Error(`npm ${args.join(' ')}`);
  },
  node([file = ''], block) {
    if (file.startsWith('-')) return expect(block.marker).toBeDefined();
    if (block.marker === undefined) expect(fs.existsSync(path.join(ROOT, file)) ? file : 'a script of ours').toBe(file);
  },
  cargo([command, ...args]) {
    expect(['test', 'bench', 'build', 'clippy', 'fmt', 'deny']).toContain(command);
    const at = args.indexOf('--bench');
    if (at >= 0) expect(read('Cargo.toml')).toContain(`[[bench]]\nname = "${args[at + 1]}"`);
  },
  curl(args) {
    const urls = args.map((word) => word.replace(/^['"]/, '')).filter((word) => /^https?:/.test(word));
    expect(urls.length).toBe(1);
  },
  git([command]) {
    expect(['apply']).toContain(command);
  },
  printf() {},
  kill(jobs) {
    for (const job of jobs) expect(job).toMatch(/^%\d$/);
  },
};

// ---- what is run

/** A token and a provider that vouches for it. */
async function withToken(run) {
  const provider = await new Issuer().start();
  const folder = fs.mkdtempSync(path.join(scratch, 'token-'));
  fs.writeFileSync(path.join(folder, 'token.txt'), `${provider.token({ aud: 'https://chat.example.com/api', scope: 'agents:use' })}\n`);
  try {
    return await run({ folder, issuer: provider.url });
  } finally {
    await provider.stop();
  }
}

/** @param {string} command @param {string} cwd */
async function bash(command, cwd) {
  const { stdout } = await promisify(execFile)('bash', ['-c', command], { cwd, env: { ...process.env, LOG_TO_FILE: 'false' } });
  return stdout;
}

const withTokenFile = named.filter(({ marker }) => marker === 'run in a folder with token.txt');

test('the blocks about a token in a file read it and judge it', async () => {
  const script = withTokenFile.find(({ language }) => language === 'js');
  const [print, judge] = withTokenFile.filter(({ language }) => language === 'sh');
  expect(withTokenFile.length).toBe(3);
  await withToken(async ({ folder, issuer }) => {
    expect(JSON.parse(await bash(print.text, folder))).toMatchObject({ iss: issuer, sub: 'subject-1' });
    fs.writeFileSync(path.join(folder, 'judge.js'), script.text);
    const here = judge.text.replace('https://auth.example.com', issuer);
    expect(here).toContain(issuer);
    expect(await bash(here, folder)).toMatch(/^accepted \{ subject: 'subject-1', scopes: \[ 'agents:use' \] \}/);
    expect(await bash(here.replace('agents:use', 'agents:all'), folder)).toMatch(/^refused ERR_SCOPE_MISSING /);
    expect(await bash(here.replace('/api', '/app'), folder)).toMatch(/^refused ERR_TOKEN_AUDIENCE /);
  });
}, 60_000);

describe('docs/database.md', () => {
  /** @type {Array<[string, ...any[]]>} */
  const calls = [];
  const answer = new Proxy(() => answer, { get: () => answer, apply: () => answer });
  const users = new Proxy({}, { get: (_, name) => (...args) => (calls.push([String(name), ...args]), answer) });
  beforeAll(() => {
    for (const { text } of named.filter(({ marker }) => marker === 'mongosh')) vm.runInNewContext(text, { db: { users } });
  });
  const index = (keys, { unique, partialFilterExpression } = {}) => ({ keys, unique: unique === true, partialFilterExpression });
  const declared = () => createModels(mongoose).User.schema.indexes().map(([keys, options]) => index(keys, options));

  test('the indexes it creates are those of LibreChat’s own schema, to the option', () => {
    const created = calls.filter(([name]) => name === 'createIndex').map(([, keys, options]) => index(keys, options));
    expect(created.length).toBe(3);
    // Through JSON: objects of another realm equal none of this one.
    for (const one of created) expect(declared()).toContainEqual(JSON.parse(JSON.stringify(one)));
  });

  test('its table says of each whether it is unique, as the schema does', () => {
    const rows = [...read('docs/database.md').matchAll(/^\| ((?:`\w+`(?:, )?)+) \| (yes|no)/gm)];
    expect(rows.length).toBe(3);
    for (const [, fields, unique] of rows) {
      const names = fields.replaceAll('`', '').split(', ');
      const found = declared().find(({ keys }) => Object.keys(keys).join() === names.join());
      expect(found).toMatchObject({ unique: unique === 'yes' });
    }
  });
});

test('the log lines docs/migration.md tells to watch are ours, at that level', () => {
  const rows = [...read('docs/migration.md').matchAll(/^\| `(\w+)` \.\.\. `(.*?)` \|/gm)];
  const ours = fs.readdirSync(path.join(ROOT, 'lib')).map((file) => read(`lib/${file}`)).join('\n');
  expect(rows.length).toBeGreaterThan(5);
  for (const [, level, text] of rows) {
    const written = [`line('${level}', '${text}`, `log.${level}(\n        \`${text}`];
    expect([text, written.some((form) => ours.includes(form))]).toEqual([text, true]);
  }
});

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

/** Undone on our example, and done again. @param {Block} block */
function checkDiff({ text }) {
  const folder = fs.mkdtempSync(path.join(scratch, 'diff-'));
  const target = path.join(folder, /** @type {string} */ (/^\+\+\+ b\/(.*)$/m.exec(text)?.[1]));
  const after = read('examples/librechat/middleware.js');
  fs.mkdirSync(path.dirname(target), { recursive: true });
  fs.writeFileSync(target, after);
  // A repository of its own, or git would take the one around it for the place the paths begin at.
  const git = (...args) => execFileSync('git', args, { cwd: folder, input: `${text}\n`, stdio: 'pipe' });
  git('init', '--quiet');
  git('apply', '--reverse', '-');
  const before = fs.readFileSync(target, 'utf8');
  expect(before).toMatch(/createRemoteAgentAuth,[^}]*\} = require\('@librechat\/api'\)/);
  expect(before).not.toContain('remote-agent-auth/');
  new vm.Script(before);
  git('apply', '-');
  expect(fs.readFileSync(target, 'utf8')).toBe(after);
}

/** The one kind of drawing there is: states and what leads from one to another. @param {Block} block */
function checkMermaid({ text }) {
  const [kind, ...lines] = text.split('\n');
  expect(kind).toBe('stateDiagram-v2');
  for (const line of lines) expect(line).toMatch(/^ {2}(\[\*\]|\w+) --> \w+(: [^:]+)?$/);
}

/** A tree of files: what stands at the beginning of a line is there. @param {Block} block */
function checkTree({ file, text }) {
  expect(file).toBe('docs/design.md');
  const listed = text.split('\n').flatMap((line) => {
    const [names = ''] = /^\S.*?(?= {3}|$)/.exec(line) ?? [];
    return names.split(/\s+/).filter((name) => /[./]/.test(name));
  });
  const planned = read(file).match(/Not there yet \(\*planned\*\):[^]*?\n\n/)?.[0] ?? '';
  expect(listed.length).toBeGreaterThan(10);
  expect(listed.filter((name) => !fs.existsSync(path.join(ROOT, name)) && !planned.includes(`\`${name}\``))).toEqual([]);
}

/** @type {Record<string, (block: Block) => void>} */
const LANGUAGES = {
  js: () => {},
  ts: () => {},
  sh: checkShell,
  yaml: checkYaml,
  json: ({ text }) => void JSON.parse(text),
  diff: checkDiff,
  mermaid: checkMermaid,
  text: checkTree,
};
/** js and ts are compiled above; a comment before a block says what else is done with it. Those of the README are run by readme.test.js. */
const MARKERS = ['example', 'newcomer', 'newcomer provider.js', 'mongosh', 'run in a folder with token.txt'];

/** @param {Block} block */
function check(block) {
  const at = `${block.file}:${block.line}`;
  if (!Object.hasOwn(LANGUAGES, block.language)) throw new Error(`${at}: no check for a block of "${block.language}"`);
  if (block.marker !== undefined && !MARKERS.includes(block.marker)) throw new Error(`${at}: no check called "${block.marker}"`);
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
    ['of yaml with a policy that is refused', 'yaml', 'endpoints: { agents: { remoteApi: { auth: { oidc: { enabled: true, issuer: "http://a.example", audience: x } } } } }', undefined],
    ['of text outside the tree', 'text', 'x', undefined],
  ])('%s', (_name, language, text, marker) => {
    const [block] = blocksOf([marker ?? '', `${fence}${language}`, text, fence].join('\n'), 'a.md');
    expect(() => check(block)).toThrow();
  });

  test('of JavaScript that our types refuse', async () => {
    const wrong = { language: 'js', file: 'a.md', line: 1, marker: undefined, text: 'verifyRemoteToken(token, { issuer, audiense: audience });' };
    expect(await compiled([wrong])).toContain('audiense');
  }, 120_000);

  test('that is never closed', () => {
    expect(() => blocksOf(`${fence}js\nx`, 'a.md')).toThrow('never closed');
  });
});

// ---- links

/** Who installs the package reads its README there, or on the registry's page. */
test('what the README links to is in the package', () => {
  const listed = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: ROOT, encoding: 'utf8', stdio: 'pipe' });
  const packed = JSON.parse(listed)[0].files.map(({ path: file }) => file);
  for (const file of packed.filter((name) => name.endsWith('.md'))) {
    const targets = linksOf(read(file)).map((link) => path.posix.join(path.posix.dirname(file), link.split('#')[0] || path.posix.basename(file)));
    const missing = targets.filter((target) => !packed.some((name) => name === target || name.startsWith(`${target}/`)));
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
