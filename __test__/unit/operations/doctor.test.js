'use strict';

const { execFile, execFileSync } = require('node:child_process');
const { generateKeyPairSync } = require('node:crypto');
const fs = require('node:fs');
const https = require('node:https');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');

const { RemoteTokenVerifier } = require('../../..');
const { diagnose } = require('../../../lib/operations/doctor');
const { clockLine } = require('../../../lib/operations/doctor-provider');
const { certificates } = require('../../support/certificates');
const { Issuer, encode } = require('../../support/issuer');

const PROGRAM = path.join(__dirname, '..', '..', '..', 'bin', 'remote-agent-auth.js');
const AUDIENCE = 'agents';
let issuer;
let folder;

beforeAll(async () => {
  issuer = await new Issuer().start();
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'doctor-'));
});
afterAll(async () => {
  await issuer.stop();
  fs.rmSync(folder, { recursive: true });
});
beforeEach(() => {
  new RemoteTokenVerifier().clear();
  issuer.metadata = {};
});

const around = (oidc) => ({ endpoints: { agents: { remoteApi: { auth: { oidc } } } } });
const block = (over = {}) => around({ enabled: true, issuer: issuer.url, audience: AUDIENCE, ...over });
const failedOf = (lines) => lines.filter(({ status }) => status === 'failed');
const email = { email: 'ada@example.com', email_verified: true };

/** Runs `work` with variables of the environment set. */
async function withEnvironment(variables, work) {
  const before = Object.keys(variables).map((name) => [name, process.env[name]]);
  Object.assign(process.env, variables);
  try {
    return await work();
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}

test('where all is well every line is ok, in the order from the configuration to the token', async () => {
  const lines = await diagnose({ config: block(), token: issuer.token(email) });
  expect(lines.filter(({ status }) => status !== 'ok')).toEqual([
    expect.objectContaining({ check: 'account', status: 'skipped' }),
  ]);
  expect(lines.map(({ check }) => check)).toEqual([
    'configuration',
    'policy',
    'dns',
    'tcp',
    'discovery',
    'keys',
    'key',
    'clock',
    'token',
    'account',
  ]);
});

describe('a mistake in the configuration is named, with what to change', () => {
  test.each([
    ['no block', {}, /endpoints is not there/],
    [
      'a misspelt part of the way',
      { endpoints: { agents: { remotApi: {} } } },
      /"remotApi" is; did you mean "remoteApi"/,
    ],
    [
      'enabled as text',
      around({ enabled: 'true', issuer: 'https://a.test', audience: 'a' }),
      /enabled is "true": no token is looked at/,
    ],
    ['no issuer', around({ enabled: true, audience: 'a' }), /oidc\.issuer is not set/],
    ['no audience', around({ enabled: true, issuer: 'https://a.test' }), /oidc\.audience is not set/],
    [
      'an http issuer',
      around({ enabled: true, issuer: 'http://a.test', audience: 'a' }),
      /`issuer` must be an https URL/,
    ],
    [
      'an http key URL',
      around({ enabled: true, issuer: 'https://a.test', audience: 'a', jwksUri: 'http://a.test/keys' }),
      /`jwksUri` must be an https URL/,
    ],
    [
      'a list as scope',
      around({ enabled: true, issuer: 'https://a.test', audience: 'a', scope: ['x'] }),
      /`scope` must be a string/,
    ],
  ])('%s', async (_what, config, text) => {
    const lines = await diagnose({ config });
    expect(failedOf(lines)).toHaveLength(1);
    expect(lines.at(-1)).toMatchObject({
      status: 'failed',
      text: expect.stringMatching(text),
      action: expect.any(String),
    });
  });

  test('an unknown key is a warning with the nearest known one', async () => {
    const lines = await diagnose({ config: block({ audiance: 'x' }) });
    expect(lines).toContainEqual(
      expect.objectContaining({ status: 'warning', text: expect.stringContaining('"audiance"') }),
    );
    expect(lines[0].text).toContain('did you mean "audience"');
  });
});

describe('the environment', () => {
  test.each([
    [{ OPENID_JWKS_URL: 'https://login.test/keys', OPENID_ISSUER: 'https://login.test' }, /OPENID_JWKS_URL is ignored/],
    [{ OPENID_REMOTE_CLOCK_TOLERANCE: '1h' }, /OPENID_REMOTE_CLOCK_TOLERANCE is ignored/],
  ])('%j is said to be ignored', async (variables, text) => {
    const lines = await withEnvironment(variables, () => diagnose({ config: block() }));
    expect(lines).toContainEqual({ check: 'environment', status: 'warning', text: expect.stringMatching(text) });
    expect(failedOf(lines)).toEqual([]);
  });

  test('a proxy that is wrong is where the way ends', async () => {
    const refused = await freePort();
    const lines = await diagnose({
      config: around({ enabled: true, issuer: 'https://a.test', audience: 'a' }),
      policy: { proxy: { https: `http://127.0.0.1:${refused}` } },
    });
    expect(failedOf(lines)).toEqual([
      expect.objectContaining({ check: 'tcp', text: expect.stringMatching(/proxy.*nothing listens/) }),
    ]);
  });
});

async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe('the way to the provider ends where the options say', () => {
  const at = async (url, policy) =>
    failedOf(await diagnose({ config: around({ enabled: true, issuer: url, audience: 'a' }), policy }));

  test('a name nobody has', async () => {
    expect(await at('https://doctor.invalid')).toEqual([
      expect.objectContaining({ check: 'dns', code: 'ERR_DISCOVERY_FETCH' }),
    ]);
  });

  test('a port nobody listens at', async () => {
    expect(await at(`http://127.0.0.1:${await freePort()}`)).toEqual([expect.objectContaining({ check: 'tcp' })]);
  });

  test('a certificate of an authority nobody trusts, and with the authority given the rest of the way', async () => {
    const made = certificates();
    const ca = made.make('authority', { ca: true, host: '' });
    const { cert, key } = made.make('server', { issuer: 'authority' });
    const server = https
      .createServer({ cert, key }, (_request, response) => response.writeHead(404).end())
      .listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const url = `https://localhost:${server.address().port}`;
    try {
      const [line, ...more] = await at(url);
      expect(more).toEqual([]);
      expect(line).toMatchObject({ check: 'tls', text: expect.stringMatching(/NODE_EXTRA_CA_CERTS/) });
      new RemoteTokenVerifier().clear();
      const lines = await diagnose({
        config: around({ enabled: true, issuer: url, audience: 'a' }),
        policy: { ca: ca.cert },
      });
      expect(lines.filter(({ check }) => check === 'tls')).toEqual([expect.objectContaining({ status: 'ok' })]);
      expect(failedOf(lines)).toEqual([
        expect.objectContaining({ check: 'discovery', text: expect.stringContaining('404') }),
      ]);
    } finally {
      server.closeAllConnections();
      server.close();
      made.remove();
    }
  });

  test('metadata of another issuer', async () => {
    issuer.metadata = { issuer: `${issuer.url}/other` };
    expect(failedOf(await diagnose({ config: block() }))).toEqual([
      expect.objectContaining({ check: 'discovery', code: 'ERR_DISCOVERY_ISSUER' }),
    ]);
  });

  test('a key URL that is not there', async () => {
    issuer.metadata = { jwks_uri: `${issuer.url}/gone` };
    const lines = await diagnose({ config: block() });
    expect(failedOf(lines)).toEqual([expect.objectContaining({ check: 'keys', code: 'ERR_JWKS_FETCH' })]);
    expect(lines).toContainEqual(expect.objectContaining({ check: 'discovery', status: 'ok' }));
  });

  test('a key for encryption is skipped, with the reason', async () => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 1024 });
    const weak = { ...publicKey.export({ format: 'jwk' }), kid: 'weak', use: 'sig' };
    const lines = await diagnose({ config: block(), policy: { typ: 'off' } });
    expect(lines.filter(({ check }) => check === 'key')).toHaveLength(1);
    const own = issuer.publicKey.export({ format: 'jwk' });
    const keys = JSON.stringify({ keys: [weak, { ...own, kid: 'enc', use: 'enc' }, { ...own, kid: 'good' }] });
    const server = require('node:http')
      .createServer((_request, response) => response.end(keys))
      .listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    try {
      const found = await diagnose({ config: block({ jwksUri: `http://127.0.0.1:${server.address().port}/keys` }) });
      const statuses = found.filter(({ check }) => check === 'key').map(({ status, text }) => `${status} ${text}`);
      expect(statuses).toEqual([
        expect.stringMatching(/^ok .*good/),
        expect.stringMatching(/^warning skipped: .*weak/),
        expect.stringMatching(/^warning skipped: .*enc/),
      ]);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  test('a clock that is wrong, either way', () => {
    expect(clockLine(0.7)).toMatchObject({ status: 'ok' });
    expect(clockLine(300)).toMatchObject({ status: 'failed', text: expect.stringContaining('300 s ahead of') });
    expect(clockLine(-300)).toMatchObject({ status: 'failed', text: expect.stringContaining('300 s behind') });
  });
});

describe('a token is explained check by check', () => {
  const codesOf = async (token, over, policy) =>
    failedOf(await diagnose({ config: block(over), token, policy })).map(({ code }) => code);
  const hour = () => Math.floor(Date.now() / 1000) + 3600;

  test.each([
    ['wrong audience', () => issuer.token({ aud: 'account' }), ['ERR_TOKEN_AUDIENCE']],
    ['a slash too many in the issuer', () => issuer.token({ iss: `${issuer.url}/x/` }), ['ERR_TOKEN_ISSUER']],
    ['expired', () => issuer.token({ exp: 1_600_000_000, iat: 1_500_000_000 }), ['ERR_TOKEN_EXPIRED']],
    ['not valid yet', () => issuer.token({ nbf: hour(), exp: hour() + 60 }), ['ERR_TOKEN_NOT_YET_VALID']],
    ['no subject', () => issuer.token({ sub: undefined }), ['ERR_TOKEN_SUBJECT']],
    ['a key that is not published', () => issuer.token({}, { header: { kid: 'other' } }), ['ERR_KEY_NOT_FOUND']],
    [
      'a signature that is not the key’s',
      () => issuer.token({}, { key: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey }),
      ['ERR_SIGNATURE_INVALID'],
    ],
    ['opaque', () => 'ory_at_abc.def', ['ERR_TOKEN_OPAQUE']],
    [
      'encrypted',
      () => [encode({ alg: 'RSA-OAEP', enc: 'A256GCM' }), 'a', 'b', 'c', 'd'].join('.'),
      ['ERR_TOKEN_ENCRYPTED'],
    ],
    [
      'a logout token',
      () =>
        issuer.token(
          { events: { 'http://schemas.openid.net/event/backchannel-logout': {} } },
          { header: { typ: 'logout+jwt' } },
        ),
      ['ERR_LOGOUT_TOKEN'],
    ],
  ])('%s', async (_what, token, codes) => {
    expect(await codesOf(token())).toEqual(codes);
  });

  test('several mistakes at once are all named, each with its setting', async () => {
    const token = issuer.token({ aud: 'account', exp: 1_600_000_000, iat: 1_500_000_000, scope: 'openid', azp: 'web' });
    const lines = await diagnose({
      config: block({ scope: 'agents:use' }),
      token,
      policy: { allowedClients: ['agent'], requireKid: true },
    });
    const codes = failedOf(lines).map(({ code }) => code);
    expect(codes.sort()).toEqual(['ERR_SCOPE_MISSING', 'ERR_TOKEN_AUDIENCE', 'ERR_TOKEN_CLIENT', 'ERR_TOKEN_EXPIRED']);
    expect(lines.find(({ code }) => code === 'ERR_TOKEN_AUDIENCE')).toMatchObject({
      expected: expect.stringContaining(AUDIENCE),
      got: expect.stringContaining('account'),
    });
    expect(lines.filter(({ check, status }) => check === 'token' && status === 'ok')).toHaveLength(1);
  });

  test.each([
    ['algorithms', () => issuer.token({}, { header: { alg: ['ES256'] } })],
    ['an audience', () => issuer.token({ aud: '' })],
    ['an issuer', () => issuer.token({ iss: '' })],
  ])('a token whose own words make no %s of a policy is explained as far as that goes', async (_what, token) => {
    const lines = await diagnose({ config: block(), token: token() });
    expect(failedOf(lines)).toHaveLength(1);
    expect(lines.at(-1)).toMatchObject({ check: 'token', status: 'skipped' });
  });

  test('what a good token will not do is a warning', async () => {
    const remarks = async (claims) =>
      (await diagnose({ config: block(), token: issuer.token(claims) })).filter(({ status }) => status === 'warning');
    expect(await remarks({})).toEqual([
      expect.objectContaining({ check: 'account', text: expect.stringContaining('no e-mail address') }),
    ]);
    expect(await remarks({ ...email, email_verified: false })).toEqual([
      expect.objectContaining({ text: expect.stringContaining('not verified') }),
    ]);
    expect(await remarks(email)).toEqual([]);
  });
});

describe('the command', () => {
  const run = (args, { input = '', env = {} } = {}) =>
    new Promise((resolve) => {
      const child = execFile(
        process.execPath,
        [PROGRAM, 'doctor', ...args],
        { cwd: folder, env: { ...process.env, ...env } },
        (error, stdout, stderr) => resolve({ code: error?.code ?? 0, stdout, stderr }),
      );
      child.stdin.end(input);
    });
  const flags = () => ['--issuer', issuer.url, '--audience', AUDIENCE];

  test('reads a librechat.yaml, and says 0 where nothing failed', async () => {
    const file = path.join(folder, 'librechat.yaml');
    fs.writeFileSync(
      file,
      `endpoints:\n  agents:\n    remoteApi:\n      auth:\n        oidc:\n          enabled: true\n          issuer: ${issuer.url}\n          audience: ${AUDIENCE}\n`,
    );
    const { code, stdout } = await run([]);
    expect(stdout).toMatch(/^0 failed, 0 warnings$/m);
    expect(stdout).not.toContain('\u001b');
    expect(code).toBe(0);
  });

  test('takes a token from a file or standard input, and prints no part of it', async () => {
    const token = issuer.token({ ...email, aud: 'account', sub: 'subject-of-ada-lovelace' });
    const file = path.join(folder, 'token.txt');
    fs.writeFileSync(file, `Bearer ${token}\n`);
    const results = [
      await run([...flags(), '--token-file', file]),
      await run([...flags(), '--token-file', '-', '--json'], { input: token }),
    ];
    for (const { code, stdout, stderr } of results) {
      expect(code).toBe(1);
      expect(stdout).toContain('ERR_TOKEN_AUDIENCE');
      const text = stdout + stderr;
      for (let at = 0; at + 16 <= token.length; at += 1) expect(text.includes(token.slice(at, at + 16))).toBe(false);
      expect(text).not.toContain('ada@example.com');
      expect(text).not.toContain('subject-of-ada');
    }
    expect(JSON.parse(results[1].stdout)).toContainEqual(
      expect.objectContaining({ code: 'ERR_TOKEN_AUDIENCE', status: 'failed' }),
    );
  });

  test('what the token says cannot drive a terminal', async () => {
    const token = issuer.token({ ...email, aud: 'x\u001b[2Jy\u202e' });
    const { stdout } = await run([...flags(), '--token-file', '-'], { input: token });
    expect(stdout).toContain('ERR_TOKEN_AUDIENCE');
    expect(stdout.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  });

  test.each([
    [['--token', 'eyJhbGciOi'], /--token-file, never as an argument/],
    [['eyJhbGciOi.eyJzdWIi.c2ln'], /^doctor: a token is given by --token-file, never as an argument[^.]*$/],
    [['--policy', 'Bearer eyJhbGciOi.eyJzdWIi.c2ln'], /^doctor: a token is given by --token-file, [^.]*$/],
    [['Bearer opaque-secret'], /^doctor: a token is given by --token-file, [^.]*$/],
    [['bearer', 'opaque-secret'], /^doctor: a token is given by --token-file, [^.]*$/],
    [['Authorization: Bearer opaque-secret'], /^doctor: a token is given by --token-file, [^.]*$/],
    [['authorization:', 'opaque-secret'], /^doctor: a token is given by --token-file, [^.]*$/],
    [['--policy=Authorization: Bearer eyJhbGciOi.eyJzdWIi.c2ln'], /^doctor: a token is given by --token-file, [^.]*$/],
    [['--no-such'], /--no-such/],
    [['missing.yaml'], /missing\.yaml cannot be read \(ENOENT\)/],
    [['a.yaml', 'b.yaml'], /one FILE at most/],
    [['--audience', 'a'], /need --issuer/],
    [['--issuer', 'https://a.test', '--audience', 'a', '--token-file', 'nowhere'], /token file cannot be read/],
  ])('%j cannot be carried out: 2, and why on stderr', async (args, text) => {
    const { code, stdout, stderr } = await run(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(text);
    expect(stderr).not.toMatch(/eyJhbGciOi|opaque-secret/);
  });

  test('a policy that the middleware would not start with is a line that failed, and 1', async () => {
    const secret = 'the-client-secret';
    const policy = { introspection: { clientId: 'c', clientSecret: secret } };
    fs.writeFileSync(path.join(folder, 'policy.json'), JSON.stringify(policy));
    const { code, stdout, stderr } = await run([...flags(), '--policy', 'policy.json', '--json']);
    expect([code, stderr]).toEqual([1, '']);
    expect(failedOf(JSON.parse(stdout))).toEqual([
      {
        check: 'policy',
        status: 'failed',
        code: 'ERR_POLICY_OPTION',
        text: expect.stringContaining('must be a function to set "introspection"'),
        action: expect.any(String),
      },
    ]);
    expect(stdout).not.toContain(secret);
    for (const wrong of [5, null, 'text', []]) {
      const lines = await diagnose({ config: block(), policy: wrong });
      expect(failedOf(lines)).toEqual([expect.objectContaining({ check: 'policy', code: 'ERR_POLICY_OPTION' })]);
    }
  });

  test('a file that cannot be parsed is not quoted', async () => {
    fs.writeFileSync(path.join(folder, 'broken.yaml'), 'a: 1\nsecret: [hunter2\n');
    const { code, stderr } = await run(['broken.yaml']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/cannot be parsed \(line \d+\)/);
    expect(stderr).not.toContain('hunter2');
  });

  test('--help, and anything but a known command', () => {
    expect(execFileSync(process.execPath, [PROGRAM, 'doctor', '--help'], { encoding: 'utf8' })).toMatch(
      /^Usage: npx remote-agent-auth doctor/,
    );
    expect(() => execFileSync(process.execPath, [PROGRAM], { stdio: 'pipe' })).toThrow(/doctor/);
  });
});
