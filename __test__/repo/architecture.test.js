'use strict';

// What may import what (docs/design.md, section 4), read from the imports of both languages.

const { readdirSync, readFileSync } = require('node:fs');
const path = require('node:path');

const ROOT = path.join(__dirname, '..', '..');

/** All files under a folder, relative to it, with forward slashes. */
const filesUnder = (folder, extension) =>
  readdirSync(path.join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(extension))
    .map((entry) => path.relative(path.join(ROOT, folder), path.join(entry.parentPath ?? entry.path, entry.name)))
    .map((file) => file.split(path.sep).join('/'))
    .sort();

// ---- Rust

/** The code of a file without its comments, texts and unit tests, which may know anything. */
function rustCode(file) {
  const source = readFileSync(path.join(ROOT, 'src', file), 'utf8');
  return source
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/\/\/.*$/gm, '')
    .replace(/"(?:\\.|[^"\\])*"/g, '""')
    .split(/^#\[cfg\(test\)\]\s*\nmod \w+ \{/m)[0];
}

/** The modules of ours a file names by `crate::a` or `crate::{a, b::c}`; where `super` is the crate, by that. */
function modulesNamed(text, file = 'lib.rs') {
  const atTop = !file.includes('/') || /^\w+\/mod\.rs$/.test(file);
  const code = atTop ? text.replace(/\bsuper::/g, 'crate::') : text;
  const single = [...code.matchAll(/\bcrate::(\w+)/g)].map(([, name]) => name);
  const grouped = [...code.matchAll(/\bcrate::\{([^;]*)\};/g)].flatMap(([, list]) => topLevelNames(list));
  return new Set([...single, ...grouped]);
}

/** `a::{b, c}, d` names `a` and `d`. */
function topLevelNames(list) {
  let flat = list;
  while (/\{[^{}]*\}/.test(flat)) flat = flat.replace(/\{[^{}]*\}/g, '');
  return flat
    .split(',')
    .map((item) => /\w+/.exec(item)?.[0])
    .filter(Boolean);
}

const VOCABULARY = ['algorithm', 'base64url', 'details', 'json', 'key_id', 'mismatch', 'scope', 'time', 'whitespace'];

/** For each module of ours, the others it may name; vocabulary is open to all but itself. */
const MAY_KNOW = {
  policy: ['keys'],
  token: [],
  keys: [],
  threads: [],
  provider: ['policy', 'keys'],
  revocation: ['policy', 'keys'],
  verify: ['policy', 'token', 'keys', 'revocation', 'error'],
  signature_cache: ['policy', 'token', 'verify'],
  error: ['policy', 'token', 'keys', 'provider', 'verify'],
  verifier: ['policy', 'token', 'keys', 'provider', 'verify', 'revocation', 'signature_cache', 'threads', 'error'],
  process: ['provider', 'verifier', 'threads', 'error'],
  node: ['process', 'verifier', 'policy', 'error'],
};

/** Crates that may appear in certain files only. */
const CRATES = {
  napi: /^node\//,
  napi_derive: /^node\//,
  hyper: /^provider\/(client|fault)\.rs$/,
  hyper_util: /^provider\/client\.rs$/,
  x509_parser: /^provider\/trust\.rs$/,
  flate2: /^provider\/coding\.rs$/,
  httpdate: /^provider\/calls\/answer\.rs$/,
  psl: /^provider\/calls\/host\.rs$/,
  aws_lc_rs: /^keys\/signature\.rs$/,
  moka: /^(provider\/|signature_cache\.rs$)/,
  once_cell: /^(process|provider\/trust)\.rs$/,
  tokio: /^(provider\/|verifier\/|process\.rs$|threads\/pool\.rs$|node\/)/,
};

const rustFiles = filesUnder('src', '.rs').filter((file) => file !== 'lib.rs');

describe('Rust', () => {
  test('is read at all, imports included', () => {
    expect(rustFiles).toEqual(expect.arrayContaining(['keys/signature.rs', 'verify/mod.rs', 'node/mod.rs']));
    expect(rustCode('keys/signature.rs')).toContain('aws_lc_rs');
    expect([...modulesNamed('use crate::{a::{b, c}, d};\nuse crate::e::f;')].sort()).toEqual(['a', 'd', 'e']);
  });

  test.each(rustFiles)('src/%s names only modules it may know', (file) => {
    const home = file.split('/')[0].replace(/\.rs$/, '');
    const code = rustCode(file);
    const isVocabulary = VOCABULARY.includes(home);
    // One step up stays inside the module; two would leave it unseen by this test.
    expect(code).not.toMatch(/super::super::/);
    expect(isVocabulary || home in MAY_KNOW || `${home}: add it to MAY_KNOW`).toBe(true);

    const allowed = isVocabulary ? VOCABULARY : [home, ...VOCABULARY, ...MAY_KNOW[home]];
    expect([...modulesNamed(code, file)].filter((name) => !allowed.includes(name))).toEqual([]);
  });

  test.each(rustFiles)('src/%s uses only crates it may use', (file) => {
    const code = rustCode(file);
    // `rustls::crypto::aws_lc_rs` is a name inside another crate, not the crate.
    const used = Object.keys(CRATES).filter((crate) => new RegExp(`(?<!::)\\b${crate}::`).test(code));
    expect(used.filter((crate) => !CRATES[crate].test(file))).toEqual([]);
  });
});

// ---- JavaScript

/** What a file requires at run time, by literal name. */
const requires = (file) =>
  [...readFileSync(path.join(ROOT, file), 'utf8').matchAll(/\brequire\((.*?)\)/g)].map(([, name]) => name);

/** For each room of lib, the other rooms it may require. */
const ROOMS = {
  events: [],
  loader: [],
  verifier: [],
  policy: ['events', 'verifier'],
  stores: ['events', 'verifier'],
  logout: ['events', 'stores', 'verifier'],
  accounts: ['events', 'policy', 'stores', 'verifier'],
  responses: [],
  guards: ['events', 'policy', 'responses', 'verifier'],
  'bearer-auth': ['events', 'guards', 'policy', 'responses', 'verifier'],
  middleware: ['accounts', 'events', 'policy', 'responses', 'verifier'],
  operations: ['events', 'policy', 'verifier'],
  librechat: ['accounts', 'events', 'middleware', 'policy', 'verifier'],
  testing: [],
  adapters: ['bearer-auth', 'verifier'],
};
/** What lies outside lib, and the one file that leads there. */
const DOORS = {
  "'../../binding'": 'verifier/native-check',
  "'@librechat/api'": 'librechat/data-schemas',
  "'@librechat/data-schemas'": 'librechat/data-schemas',
  "'@nestjs/common'": 'adapters/nest',
  ERRORS: 'adapters/mcp',
};
/** Rules and tables: of ours they require these names of their own room, or of the room named, and nothing else. */
const PURE = {
  'accounts/email-address': [],
  'bearer-auth/credentials': [],
  'guards/admission': [],
  'guards/facts': [],
  'middleware/bearer': [],
  'middleware/decision': ['responses/bodies'],
  'middleware/log': [],
  'policy/claim-path': [],
  'policy/issuer': [],
  'policy/nearest': [],
  'policy/oidc-config': [],
  'policy/proxy': [],
  'responses/asynchronous': [],
  'responses/bodies': ['asynchronous'],
  'responses/challenge': [],
  'responses/metadata-url': ['asynchronous', 'challenge'],
  'testing/clock': [],
  'testing/keys': [],
  'testing/poisons': [],
  'verifier/codes': [],
  'verifier/errors': [],
  'verifier/outcome': ['wire-layout', 'json-copies'],
  'verifier/json-copies': [],
  'verifier/profile-hints': [],
  'verifier/profiles': ['errors'],
  'verifier/outcome-cache': [],
  'verifier/wire-layout': [],
};

const libFiles = filesUnder('lib', '.js').map((file) => file.replace(/\.js$/, ''));
/** The files of ours that a file of lib requires, as `room/name`. */
const ownOf = (name) =>
  requires(`lib/${name}.js`)
    .map((required) => /^'(\.\.?\/[^']+)'$/.exec(required)?.[1])
    .filter((specifier) => specifier !== undefined && !specifier.startsWith('../../'))
    .map((specifier) => path.posix.join(path.posix.dirname(name), specifier))
    .map((target) => (target in ROOMS ? `${target}/index` : target));

/** The first way from a file back to itself. @param {Map<string, string[]>} graph @returns {string[] | undefined} */
function circleIn(graph) {
  const done = new Set();
  const way = [];
  const visit = (file) => {
    if (way.includes(file)) return [...way.slice(way.indexOf(file)), file];
    if (done.has(file) || !graph.has(file)) return undefined;
    way.push(file);
    for (const next of graph.get(file)) {
      const circle = visit(next);
      if (circle !== undefined) return circle;
    }
    way.pop();
    done.add(file);
    return undefined;
  };
  for (const file of graph.keys()) {
    const circle = visit(file);
    if (circle !== undefined) return circle;
  }
  return undefined;
}

describe('JavaScript', () => {
  test.each(libFiles)('lib/%s.js requires only what it may know', (name) => {
    const [room] = name.split('/');
    expect(Object.keys(ROOMS)).toContain(room);
    const own = ownOf(name);
    expect(own.filter((file) => !libFiles.includes(file))).toEqual([]);
    const others = own.map((file) => file.split('/')[0]).filter((other) => other !== room);
    expect(others.filter((other) => !ROOMS[room].includes(other))).toEqual([]);
    if (name in PURE) expect(own).toEqual(PURE[name].map((file) => (file.includes('/') ? file : `${room}/${file}`)));

    const outside = requires(`lib/${name}.js`).filter(
      (required) => !/^'(node:[a-z_/]+|\.\/[a-z-]+|\.\.\/[a-z-]+(\/[a-z-]+)?)'$/.test(required),
    );
    expect(outside.filter((required) => DOORS[required] !== name)).toEqual([]);
  });

  test('no file of lib, the benchmark or the scripts requires itself through others', () => {
    const requiredBy = new Map();
    for (const folder of ['lib', 'benchmark', 'scripts', 'examples/demo']) {
      for (const file of filesUnder(folder, '.js').filter((each) => !each.includes('node_modules/'))) {
        const home = `${folder}/${path.posix.dirname(file)}`;
        const targets = requires(`${folder}/${file}`)
          .map((required) => /^'(\.\.?(?:\/[^']+)?)'$/.exec(required)?.[1])
          .filter((specifier) => specifier !== undefined)
          .map((specifier) => path.posix.join(home, specifier))
          .flatMap((target) => [`${target}.js`, `${target}/index.js`, target]);
        requiredBy.set(path.posix.join(folder, file), targets);
      }
    }
    expect(requiredBy.size).toBeGreaterThan(150);
    expect(circleIn(requiredBy)).toBeUndefined();
    expect(circleIn(new Map(Object.entries({ a: ['b'], b: ['c', 'd'], c: [], d: ['b'] })))).toEqual(['b', 'd', 'b']);
  });

  test('every file and room the tables name is there', () => {
    expect([...new Set(libFiles.map((file) => file.split('/')[0]))].sort()).toEqual(Object.keys(ROOMS).sort());
    expect([...Object.keys(PURE), ...Object.values(DOORS)].filter((file) => !libFiles.includes(file))).toEqual([]);
  });

  test('the entries require only our own files', () => {
    for (const file of ['index.js', 'native.js']) {
      expect(requires(file).filter((name) => !/^'\.\/(binding|lib\/[a-z-]+(\/[a-z-]+)?)'$/.test(name))).toEqual([]);
    }
  });

  test('only the adapter leads to LibreChat’s packages', () => {
    const reached = new Set();
    const visit = (name) => {
      if (reached.has(name)) return;
      reached.add(name);
      ownOf(name).forEach(visit);
    };
    const entries = requires('index.js').map((required) => required.slice("'./lib/".length, -1));
    entries.map((target) => (target in ROOMS ? `${target}/index` : target)).forEach(visit);
    expect(reached.size).toBeGreaterThan(15);
    expect([...reached]).not.toContain('librechat/data-schemas');
  });

  test('the package has no run-time dependency, and no peer that must be there', () => {
    const { dependencies, peerDependencies, peerDependenciesMeta } = require('../../package.json');
    expect(dependencies).toBeUndefined();
    for (const name of Object.keys(peerDependencies)) expect(peerDependenciesMeta[name]).toEqual({ optional: true });
  });
});
