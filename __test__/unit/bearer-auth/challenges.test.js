'use strict';

// The challenge, read by parsers that share no code with what writes it.

const { createAuthenticator, protectedResourceMetadata } = require('../../../lib/bearer-auth');
const { challengeHeader } = require('../../../lib/responses/challenge');
const { createBearerAuth, requireScopes } = require('../../..');
const { seeded } = require('../../support/seeded');

const policy = { issuer: 'https://auth.example', audience: 'api', jwks: { keys: [{ kty: 'EC' }] } };
const requestOf = (headers, url = '/') => ({ method: 'GET', url, headers });

/** RFC 9110 11.6.1, as small as it can be: one challenge of quoted parameters, each name once. Undefined for anything else. */
function parsed(header) {
  const [, scheme, rest] = /^([A-Za-z]+) (.*)$/s.exec(header) ?? [];
  if (scheme === undefined) return undefined;
  const parameters = new Map();
  let left = rest;
  for (;;) {
    const [all, name, value, comma] =
      /^([a-z_]+)="((?:[\t\x20\x21\x23-\x5b\x5d-\x7e]|\\[\t\x20-\x7e])*)"(, )?/.exec(left) ?? [];
    if (all === undefined || parameters.has(name)) return undefined;
    parameters.set(name, value.replace(/\\(.)/g, '$1'));
    left = left.slice(all.length);
    if (comma === undefined) return left === '' ? { scheme, parameters: Object.fromEntries(parameters) } : undefined;
  }
}

/** By oauth4webapi, which is an ES module: as a child process, so that Jest need not load it. */
function readByOauth4webapi(headers) {
  const { execFileSync } = require('node:child_process');
  const script = `
    import * as oauth from 'oauth4webapi';
    const headers = JSON.parse(process.argv[1]);
    const read = [];
    for (const value of headers) {
      const response = new Response(null, { status: 401, headers: { 'www-authenticate': value } });
      try {
        await oauth.processUserInfoResponse({ issuer: 'https://auth.example' }, { client_id: 'c' }, oauth.skipSubjectCheck, response);
        read.push(null);
      } catch (error) {
        read.push(error.cause?.map?.(({ scheme, parameters }) => ({ scheme, parameters })) ?? String(error));
      }
    }
    console.log(JSON.stringify(read));`;
  const args = ['--input-type=module', '-e', script, JSON.stringify(headers)];
  return JSON.parse(execFileSync(process.execPath, args, { cwd: __dirname, encoding: 'utf8' }));
}

test('an independent client reads every challenge as it is meant', () => {
  const more = { resourceMetadata: 'https://api.example/.well-known/oauth-protected-resource/mcp?a=1&b=%22' };
  const { resourceMetadata: resource_metadata } = more;
  const table = [
    [challengeHeader('credentials', 'api'), { realm: 'api' }],
    [challengeHeader('credentials', 'a "b" \\c', undefined, more), { realm: 'a "b" \\c', resource_metadata }],
    [
      challengeHeader('invalid-request', 'api', undefined, more),
      { realm: 'api', error: 'invalid_request', resource_metadata },
    ],
    [challengeHeader('invalid-token', 'api'), { realm: 'api', error: 'invalid_token' }],
    [
      challengeHeader('insufficient-scope', 'api', ' a:b  c/d '),
      { realm: 'api', error: 'insufficient_scope', scope: 'a:b c/d' },
    ],
    [
      challengeHeader('insufficient-authentication', 'api', undefined, { ...more, acrValues: 'urn:a b', maxAge: 0 }),
      {
        realm: 'api',
        error: 'insufficient_user_authentication',
        acr_values: 'urn:a b',
        max_age: '0',
        resource_metadata,
      },
    ],
  ];
  expect(readByOauth4webapi(table.map(([header]) => header))).toEqual(
    table.map(([, parameters]) => [{ scheme: 'bearer', parameters }]),
  );
  for (const [header, parameters] of table) expect(parsed(header)).toEqual({ scheme: 'Bearer', parameters });
}, 20_000);

test('no text of anybody’s changes what a challenge says, or ends a header', () => {
  const random = seeded(6750);
  const PIECES = [
    '"',
    '\\',
    '\r\n',
    '\n',
    '\0',
    ', ',
    '=',
    ' ',
    'Bearer ',
    'error="x"',
    'ä',
    '\u2028',
    '\u{1f511}',
    'a',
    'scope',
    '\t',
    '\x7f',
    '%0d',
  ];
  const text = () =>
    Array.from({ length: Math.floor(random() * 6) }, () => PIECES[Math.floor(random() * PIECES.length)]).join('');
  const kinds = [
    'credentials',
    'invalid-request',
    'invalid-token',
    'insufficient-scope',
    'insufficient-authentication',
  ];
  for (let round = 0; round < 5000; round += 1) {
    const kind = kinds[round % kinds.length];
    const header = challengeHeader(kind, 'api', text(), {
      acrValues: text(),
      maxAge: round - 10,
      resourceMetadata: text(),
    });
    const { parameters } = parsed(header) ?? {};
    expect(parameters).toMatchObject({ realm: 'api' });
    expect(() => new Headers({ 'www-authenticate': header })).not.toThrow();
    if (kind === 'credentials') expect(parameters.error).toBeUndefined();
  }
});

test('a hostile request is answered with nothing of its own', async () => {
  const authenticator = createAuthenticator({ ...policy, realm: 'agents', bodies: 'problem' });
  const random = seeded(9110);
  const PIECES = ['Bearer', 'bearer', ' ', '  ', 'marker', '.', '"', ',', '\t', '=', 'ä', '\0', 'e30', '\\'];
  const seen = new Set();
  for (let round = 0; round < 3000; round += 1) {
    const length = Math.floor(random() * 9);
    const authorization = Array.from({ length }, () => PIECES[Math.floor(random() * PIECES.length)]).join('');
    const result = await authenticator.authenticate(requestOf({ authorization }, `/?marker=${round}`));
    seen.add(result.status);
    expect(result).toMatchObject({ ok: false, status: expect.any(Number) });
    expect([400, 401]).toContain(result.status);
    expect(`${result.headers['WWW-Authenticate']}${result.body}`).not.toContain('marker');
    expect(parsed(result.headers['WWW-Authenticate'])?.parameters.realm).toBe('agents');
  }
  expect([...seen].sort()).toEqual([400, 401]);
});

test('of a header of a million characters the answer comes at once', async () => {
  const authenticator = createAuthenticator(policy);
  const begun = performance.now();
  for (const authorization of [
    `Bearer ${' '.repeat(1e6)}`,
    `Bearer ${'='.repeat(1e6)}`,
    `${'a'.repeat(1e6)}=x`,
    `Bearer ${'a='.repeat(5e5)}`,
  ]) {
    expect((await authenticator.authenticate(requestOf({ authorization }))).status).toBeGreaterThanOrEqual(400);
  }
  expect(performance.now() - begun).toBeLessThan(2000);
});

/** As every refusal has one. */
const REFERENCE = expect.stringMatching(/^[0-9A-HJKMNP-TV-Z]{10}$/);

describe('bodies', () => {
  const answer = async (bodies) =>
    createAuthenticator({ ...policy, ...(bodies && { bodies }) }).authenticate(requestOf({}));
  test.each([
    [
      undefined,
      { type: 'about:blank', title: 'Unauthorized', status: 401, reference: REFERENCE },
      'application/problem+json; charset=utf-8',
    ],
    ['librechat', { error: 'Bearer token required' }, 'application/json; charset=utf-8'],
    [
      'openai',
      {
        error: {
          message: 'Bearer token required',
          type: 'invalid_request_error',
          param: null,
          code: 'invalid_api_key',
          reference: REFERENCE,
        },
      },
      'application/json; charset=utf-8',
    ],
    [({ status }) => ({ status }), { status: 401 }, 'application/json; charset=utf-8'],
    [
      () => {
        throw new Error('no');
      },
      { error: 'Bearer token required', reference: REFERENCE },
      'application/json; charset=utf-8',
    ],
  ])('%p', async (bodies, body, type) => {
    const result = await answer(bodies);
    expect([JSON.parse(result.body), result.headers['Content-Type']]).toEqual([body, type]);
    expect(result.headers['Auth-Reference']).toEqual(REFERENCE);
  });

  test('a function’s body that cannot be written costs the body alone', async () => {
    const circular = {};
    circular.self = circular;
    for (const body of [circular, 1n]) {
      const result = await answer(() => body);
      expect(result.status).toBe(401);
      expect(JSON.parse(result.body)).toEqual({ error: 'Bearer token required', reference: result.error.reference });
    }
    expect(await answer(() => () => {})).toMatchObject({ status: 401, body: '' });
  });

  test('a verifier or a guard of the host’s own may say anything', async () => {
    const verifier = {
      compile: () => ({}),
      check: () => ({ ok: false, code: '__proto__', fault: 'token', message: '' }),
    };
    const result = await createAuthenticator({ ...policy, verifier }).authenticate(
      requestOf({ authorization: 'Bearer x' }),
    );
    expect(result).toMatchObject({ ok: false, status: 500 });
  });

  test('a function may give nothing, or a text', async () => {
    expect(await answer(() => undefined)).toMatchObject({
      body: '',
      headers: { 'WWW-Authenticate': 'Bearer realm="api"' },
    });
    expect(await answer(() => 'no')).toMatchObject({ body: 'no' });
  });
});

describe('metadata of resources', () => {
  const resource = (identifier, more = {}) => ({
    resource: identifier,
    authorization_servers: ['https://auth.example'],
    ...more,
  });
  function ask(handler, url, method = 'GET') {
    const res = {
      headers: {},
      setHeader: (name, value) => (res.headers[name] = value),
      end: (text) => (res.text = text),
    };
    const next = jest.fn();
    handler({ method, url }, res, next);
    return next.mock.calls.length > 0 ? 'next' : { status: res.statusCode, ...JSON.parse(res.text) };
  }

  test.each([
    ['https://api.example', '/.well-known/oauth-protected-resource'],
    ['https://api.example/', '/.well-known/oauth-protected-resource'],
    ['https://api.example/mcp', '/.well-known/oauth-protected-resource/mcp'],
    ['https://api.example/a/b/', '/.well-known/oauth-protected-resource/a/b/'],
    ['https://api.example/a?t=1', '/.well-known/oauth-protected-resource/a?t=1'],
    ['http://localhost:3000/mcp', '/.well-known/oauth-protected-resource/mcp'],
  ])('of %s are at %s', (identifier, path) => {
    const handler = protectedResourceMetadata(resource(identifier));
    expect(handler.url).toBe(`${new URL(identifier).origin}${path}`);
    expect(ask(handler, path)).toEqual({ status: 200, ...resource(identifier), bearer_methods_supported: ['header'] });
    expect(ask(handler, `${path}x`)).toBe('next');
    expect(ask(handler, path, 'POST')).toBe('next');
  });

  test('each tenant has its own, and the challenge of its requests names it', async () => {
    const metadata = protectedResourceMetadata((req) => {
      const [, tenant] = /\/t\/(\w+)$/.exec(req.url) ?? [];
      return tenant && resource(`https://api.example/t/${tenant}`);
    });
    expect(ask(metadata, '/.well-known/oauth-protected-resource/t/a').resource).toBe('https://api.example/t/a');
    const authenticator = createAuthenticator({ ...policy, resourceMetadata: metadata.urlFor });
    const challenge = async (url) => (await authenticator.authenticate(requestOf({}, url))).headers['WWW-Authenticate'];
    expect(await challenge('/t/b')).toBe(
      'Bearer realm="api", resource_metadata="https://api.example/.well-known/oauth-protected-resource/t/b"',
    );
    expect(await challenge('/elsewhere')).toBe('Bearer realm="api"');
  });

  test('of several the longest path that leads to a request counts', () => {
    const { urlFor } = protectedResourceMetadata([
      resource('https://api.example'),
      resource('https://api.example/mcp'),
    ]);
    expect(urlFor({ url: '/mcp/tools?x=1' })).toMatch(/resource\/mcp$/);
    expect(urlFor({ url: '/mcpx' })).toMatch(/resource$/);
  });

  test.each([
    [{}],
    [[]],
    [resource('http://api.example')],
    [resource('https://api.example/#x')],
    [resource('https://u:p@api.example')],
    [resource('https://api.example/"')],
    [resource('https://a.example', { authorization_servers: [] })],
    [resource('https://a.example', { scopes_supported: 'a' })],
  ])('%j are an error at the factory', (wrong) => {
    expect(() => protectedResourceMetadata(wrong)).toThrow(expect.objectContaining({ code: 'ERR_POLICY_OPTION' }));
  });
});

test('the main entry loads none of it', () => {
  const script =
    "require('remote-agent-auth'); console.log(Object.keys(require.cache).filter((file) => /lib.(bearer-auth|guards|responses)/.test(file)).length)";
  const { execFileSync } = require('node:child_process');
  expect(execFileSync(process.execPath, ['-e', script], { cwd: __dirname, encoding: 'utf8' })).toBe('0\n');
});

test.each([
  [{ realm: 'a\r\nb' }],
  [{ bodies: 'html' }],
  [{ onError: 'throw' }],
  [{ property: '' }],
  [{ property: '__proto__' }],
  [{ authRequired: 'no' }],
  [{ resourceMetadata: 'https://a.example/"' }],
  [{ verifier: {} }],
  [{ onRefusal: 1 }],
  [{ audiense: 'x' }],
])('the option %j is an error at the factory', (option) => {
  expect(() => createBearerAuth({ ...policy, ...option })).toThrow(expect.objectContaining({ fault: 'config' }));
});

test.each([[''], ['a"b'], [[]], [['a b']], [undefined]])('a guard of the scopes %j is one too', (scopes) => {
  expect(() => requireScopes(scopes)).toThrow(expect.objectContaining({ code: 'ERR_POLICY_OPTION' }));
});
