'use strict';

// native.d.ts is true at run time: the program of types/native-members.ts, which uses every member as it is declared, is run.

const { readFileSync, writeFileSync } = require('node:fs');
const path = require('node:path');
const ts = require('typescript');
const { certificates } = require('../../support/certificates');
const { Issuer } = require('../../support/issuer');
const { createRemoteAgentAuth } = require('remote-agent-auth/native');

const ROOT = path.join(__dirname, '..', '..', '..');
const issuer = new Issuer();
const made = certificates();
let seen;

/** @returns {typeof import('../../types/native-members')} */
function program() {
  const file = path.join(ROOT, '__test__/types/native-members.ts');
  const { outputText } = ts.transpileModule(readFileSync(file, 'utf8'), {
    compilerOptions: { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022 },
  });
  const module = { exports: /** @type {any} */ ({}) };
  new Function('module', 'exports', 'require', outputText)(module, module.exports, require);
  return module.exports;
}

const file = path.join(ROOT, 'native.d.ts');
const declarations = ts.createProgram([file], {});
const checker = declarations.getTypeChecker();

/** The names of the members of a declaration of native.d.ts, those it inherits included, private ones not. @param {string} name */
function declared(name) {
  const source = /** @type {any} */ (declarations.getSourceFile(file));
  const { name: node } = source.statements.find((statement) => statement.name?.text === name);
  const members = checker.getPropertiesOfType(checker.getTypeAtLocation(node));
  return members
    .filter(({ valueDeclaration }) => !(ts.getCombinedModifierFlags(valueDeclaration) & ts.ModifierFlags.Private))
    .map((member) => member.name)
    .sort();
}

beforeAll(async () => {
  await issuer.start();
  const jwksFile = made.at('keys.json');
  const jwks = { keys: [{ ...issuer.publicKey.export({ format: 'jwk' }), alg: 'ES256' }] };
  writeFileSync(jwksFile, JSON.stringify(jwks));
  const { cert, key } = made.make('client');
  const policy = { issuer: issuer.url, audience: 'agents', emailClaim: 'mail' };
  seen = await program().useEverything({
    policy,
    accepted: issuer.token({
      sub: 'ada',
      oid: 'o',
      email: 'ada@example.com',
      email_verified: true,
      scope: 'a b',
      exp: 4e9,
    }),
    refused: issuer.token({ aud: 'others' }),
    unreachable: { ...policy, jwksUri: 'http://127.0.0.1:9/keys' },
    jwks,
    jwksFile,
    snapshotFile: made.at('snapshot.json'),
    certificate: { cert, key },
  });
});
afterAll(async () => {
  await issuer.stop();
  made.remove();
});

test.each(['Success', 'Failure', 'RemoteAgentAuth'])(
  '%s has every member it is declared with, and no other',
  (name) => {
    expect(declared(name).length).toBeGreaterThan(0);
    expect(Object.keys(seen[name]).sort()).toEqual(declared(name));
    const own =
      name === 'RemoteAgentAuth'
        ? Object.getOwnPropertyNames(Object.getPrototypeOf(createRemoteAgentAuth()))
        : declared(name);
    expect(own.filter((member) => member !== 'constructor').sort()).toEqual(declared(name));
  },
);

test('an accepted token says what is declared', () => {
  expect(seen.Success).toEqual({
    ok: true,
    claims: expect.stringMatching(/^\{"iss":/),
    header: expect.stringMatching(/^\{"alg":"ES256"/),
    subject: 'ada',
    oid: 'o',
    email: 'ada@example.com',
    emailSource: 'email',
    emailClaimProblem: 'absent',
    emailVerified: true,
    issuerIndex: 0,
    looksLikeIdToken: false,
    isBound: false,
    expiresAt: 4e9,
    scopes: ['a', 'b'],
    verdict: expect.objectContaining({}),
  });
  expect(Object.getOwnPropertyNames(Object.getPrototypeOf(seen.Success.verdict))).toEqual(['constructor']);
});

test('a refusal says what is declared', () => {
  expect(seen.Failure).toEqual({
    ok: false,
    code: 'ERR_TOKEN_AUDIENCE',
    fault: 'token',
    message: expect.any(String),
    expected: expect.stringContaining('agents'),
    got: expect.stringContaining('others'),
    hint: expect.stringContaining('audience'),
    retryAfter: expect.any(Number),
    reason: 'refused',
    host: expect.stringContaining('127.0.0.1'),
  });
});

test('a verifier does what is declared', () => {
  expect(seen.RemoteAgentAuth).toMatchObject({
    check: { ok: true, subject: 'ada' },
    recheck: { ok: true, subject: 'ada' },
    prefetch: { ok: true },
    clear: undefined,
  });
  expect(JSON.parse(seen.RemoteAgentAuth.stats)).toMatchObject({
    sources: expect.any(Array),
    signatureChecks: expect.any(Number),
  });
});

test('every option that is declared is one', () => {
  const names = [...declared('PolicyRules'), ...declared('ForAudience')].sort();
  expect(names.length).toBeGreaterThan(30);
  expect(Object.keys(seen.options).sort()).toEqual(names);
});

test('every class is opaque: nothing of a handle can be read', () => {
  expect([...declared('CompiledPolicy'), ...declared('RecheckHandle')]).toEqual([]);
  for (const policy of Object.values(seen.options)) {
    expect([...Object.keys(policy), ...Object.getOwnPropertyNames(Object.getPrototypeOf(policy))]).toEqual([
      'constructor',
    ]);
  }
});
