'use strict';

// What is not used is not loaded: the files that each entry reads, and each factory's first call besides. A file that is added to a list here
// costs every server of that kind its reading; one that only some of them need is required where they first need it.

const { execFileSync } = require('node:child_process');
const path = require('node:path');

const ROOT = path.join(__dirname, '..', '..');

/**
 * @param {string} script run in a Node of its own, without jest's modules
 * @returns {{ ours: string[], node: string[] }} files of this package, without the native one; modules of Node that were not there before
 */
function loadedBy(script) {
  const program = `
    const before = new Set(process.moduleLoadList);
    ${script};
    const node = process.moduleLoadList.filter((name) => !before.has(name)).map((name) => name.replace(/^NativeModule /, ''));
    console.log(JSON.stringify({ files: Object.keys(require.cache), node }));`;
  const { files, node } = JSON.parse(execFileSync(process.execPath, ['-e', program], { cwd: ROOT, encoding: 'utf8' }));
  const ours = files.map((file) => path.relative(ROOT, file).split(path.sep).join('/'));
  return { ours: ours.filter((file) => !file.endsWith('.node')).sort(), node };
}

const MAIN = [
  'binding.js',
  'index.js',
  'lib/loader/native-file.js',
  'lib/verifier/errors.js',
  'lib/verifier/index.js',
  'lib/verifier/native-check.js',
  'lib/verifier/outcome-cache.js',
  'lib/verifier/outcome.js',
  'lib/verifier/wire-layout.js',
  'package.json',
];
/** Of Node: what takes milliseconds to load, or opens something. */
const HEAVY =
  /^(crypto|http|https|http2|net|tls|dns|zlib|worker_threads|child_process|fs\/promises|diagnostics_channel|url|_http_.*)$/;

test('the main entry reads what verifies a token, and nothing of what is called later', () => {
  const { ours, node } = loadedBy("require('.')");
  expect(ours).toEqual(MAIN);
  expect(node.filter((name) => HEAVY.test(name))).toEqual([]);
});

test('a verifier reads no more than the entry', () => {
  expect(loadedBy("new (require('.').RemoteTokenVerifier)()").ours).toEqual(MAIN);
});

/** The rooms, or files, beside those of the main entry. */
const beside = (script) => {
  const files = loadedBy(script).ours.filter((file) => !MAIN.includes(file));
  return { rooms: [...new Set(files.map((file) => file.split('/').slice(0, -1).join('/')))], files };
};

test('createBearerAuth reads neither guards, profiles, metadata, several issuers’ function nor another room', () => {
  const { rooms, files } = beside("require('.').createBearerAuth({ issuer: 'https://a.example', audience: 'a' })");
  expect(rooms).toEqual(['lib/bearer-auth', 'lib/events', 'lib/guards', 'lib/policy', 'lib/responses', 'lib/verifier']);
  expect(files.filter((file) => /^lib\/(events|guards|policy|verifier)\//.test(file))).toEqual([
    'lib/events/channels.js',
    'lib/events/notify.js',
    'lib/events/printable.js',
    'lib/events/reference.js',
    'lib/events/time-limit.js',
    'lib/guards/admission.js',
    'lib/guards/facts.js',
    'lib/policy/nearest.js',
    'lib/verifier/certificates.js',
    'lib/verifier/codes.js',
    'lib/verifier/compiled-policies.js',
    'lib/verifier/shared-verifier.js',
  ]);
  const unused = [
    'bearer-auth/observation',
    'bearer-auth/resource-metadata',
    'bearer-auth/resolve-lanes',
    'verifier/profiles',
    'verifier/revocation',
  ];
  for (const file of unused) expect(files).not.toContain(`lib/${file}.js`);
});

test('createRemoteAgentAuth reads nothing of the general middleware, of accounts but the address rule, of operations', () => {
  const nothing =
    'const nothing = () => {}; const deps = { apiKeyMiddleware: nothing, findUser: nothing, updateUser: nothing, getAppConfig: nothing }';
  const { files } = beside(`${nothing}; require('.').createRemoteAgentAuth(deps)`);
  expect(files.filter((file) => !/^lib\/(middleware|events|policy|responses|verifier)\//.test(file))).toEqual([
    'lib/accounts/email-address.js',
  ]);
  for (const file of [
    'middleware/shadow',
    'events/key-watch',
    'verifier/profiles',
    'verifier/revocation',
    'verifier/provider-client',
  ])
    expect(files).not.toContain(`lib/${file}.js`);
});

test('each switch of a feature reads its own files when it is used', () => {
  const files = (script) => beside(script).files;
  expect(files("require('.').createBearerAuth({ resolvePolicy: () => null })")).toContain(
    'lib/bearer-auth/resolve-lanes.js',
  );
  const profile = "{ profile: 'keycloak', issuer: 'https://k.example/realms/a', audience: 'a' }";
  expect(files(`require('.').createBearerAuth(${profile})`)).toContain('lib/verifier/profiles.js');
  expect(files("require('.').requireScopes('a')")).toContain('lib/guards/index.js');
  expect(files("require('.').requireScopes('a')").some((file) => file.startsWith('lib/bearer-auth/'))).toBe(false);
});

test.each(['fastify', 'hono', 'koa'])('the adapter for %s does not load its framework, nor another adapter', (name) => {
  const { ours } = loadedBy(`require('./lib/adapters/${name}')`);
  expect(ours.filter((file) => file.startsWith('node_modules/'))).toEqual([]);
  expect(ours.filter((file) => file.startsWith('lib/adapters/'))).toEqual(
    [`lib/adapters/${name}.js`, 'lib/adapters/protection.js'].sort(),
  );
});

test('the test kit reads nothing of the package it tests', () => {
  expect(loadedBy("require('./lib/testing')").ours.filter((file) => !file.startsWith('lib/testing/'))).toEqual([]);
});
