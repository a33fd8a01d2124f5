'use strict';

const http = require('node:http');
const { channel } = require('node:diagnostics_channel');
const express4 = require('express4');
const express5 = require('express');

const { createConsole } = require('../../../lib/operations/console');
const { createHandler } = require('../../../lib/operations/console-handler');
const { DecisionRecord } = require('../../../lib/operations/console-record');
const { html } = require('../../../lib/operations/console-markup');
const { configOf } = require('../../support/fakes');
const { Issuer } = require('../../support/issuer');
const { HOSTILE_TEXTS } = require('../../support/hostile-texts');

let issuer;
const servers = [];
let record;

beforeAll(async () => {
  issuer = await new Issuer().start();
});
afterAll(() => issuer.stop());
beforeEach(() => {
  record = new DecisionRecord();
});
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

const config = () => configOf({ oidc: { enabled: true, issuer: issuer.url, audience: 'agents' } });
const consoleOf = (options) =>
  createHandler({ authorize: () => true, getAppConfig: async () => config(), ...options }, { record });

/** @returns the origin of a server with this listener */
async function serve(listener) {
  const server = http.createServer(listener).listen(0, '127.0.0.1');
  servers.push(server);
  await new Promise((resolve) => server.once('listening', resolve));
  return `http://127.0.0.1:${server.address().port}`;
}

/** One request as written: `fetch` would not send a Host of one's own. */
function ask(url, { method = 'GET', headers = {}, body } = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method, headers, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part) => (text += part));
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, text }));
    });
    request.on('error', reject);
    request.end(body);
  });
}

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
const formTokenIn = (text) => /name="form" value="([\w-]+)"/.exec(text)[1];

async function explain(url, token, { headers, fields } = {}) {
  const { text } = await ask(url);
  const body = new URLSearchParams({ form: formTokenIn(text), token, ...fields }).toString();
  return ask(url, { method: 'POST', headers: { ...FORM, ...headers }, body });
}

describe('who may see the page', () => {
  test.each([[undefined], [{}], [{ authorize: true }], [{ authorize: 'admin' }]])('%j is no console', (options) => {
    expect(() => createConsole(options)).toThrow(/authorize must be a function/);
  });

  test.each([
    [{ autorize: () => true }, /authorize/],
    [{ authorize: () => true, polices: [] }, /unknown option "polices"; did you mean "policies"/],
    [{ authorize: () => true, secret: 'short' }, /secret/],
    [{ authorize: () => true, hosts: 'localhost' }, /hosts/],
    [{ authorize: () => true, policy: { jwks: {} } }, /policy/],
  ])('%j stops the start', (options, text) => {
    expect(() => createConsole(options)).toThrow(text);
  });

  test.each([[false], [undefined], ['yes'], [1], [{ role: 'ADMIN' }]])(
    'authorize that answers %j lets nobody in',
    async (answer) => {
      const url = await serve(consoleOf({ authorize: async () => answer }));
      for (const method of ['GET', 'POST']) {
        const { status, text } = await ask(url, {
          method,
          headers: FORM,
          body: method === 'POST' ? 'token=x' : undefined,
        });
        expect([status, text]).toEqual([403, 'Not permitted.']);
      }
    },
  );

  test('authorize may answer by itself', async () => {
    const url = await serve(
      consoleOf({ authorize: (_req, res) => void res.writeHead(302, { location: '/login' }).end() }),
    );
    expect(await ask(url)).toMatchObject({ status: 302, text: '' });
  });

  test('authorize that throws lets nobody in, and what it threw is not shown', async () => {
    const authorize = () => {
      throw new Error('postgres://ada:hunter2@db');
    };
    const { status, text } = await ask(await serve(consoleOf({ authorize })));
    expect(status).toBe(500);
    expect(text).not.toContain('hunter2');
  });
});

describe('what is refused before anything is shown', () => {
  test.each([
    'evil.example',
    'evil.example:80',
    '127.0.0.1.evil.example',
    'localhost.evil.example',
    '[::1].evil.example',
  ])('a page of another name that leads to this machine: Host %j', async (host) => {
    const url = await serve(consoleOf());
    expect(await ask(url, { headers: { host } })).toMatchObject({ status: 403, text: expect.stringContaining('Host') });
    const post = await ask(url, { method: 'POST', headers: { ...FORM, host, origin: `http://${host}` }, body: 'a=b' });
    expect(post.status).toBe(403);
  });

  test.each(['localhost', 'LOCALHOST:80', '127.0.0.1:1', '[::1]:80', 'app.localhost'])(
    'Host %j is this machine',
    async (host) => {
      expect(await ask(await serve(consoleOf()), { headers: { host } })).toMatchObject({ status: 200 });
    },
  );

  test('of the hosts that are listed any may be named, and no other', async () => {
    const url = await serve(consoleOf({ hosts: ['Admin.example:8443'] }));
    expect(await ask(url, { headers: { host: 'admin.example:8443' } })).toMatchObject({ status: 200 });
    expect(await ask(url, { headers: { host: 'admin.example' } })).toMatchObject({ status: 403 });
  });

  test.each([
    ['from another site', { 'sec-fetch-site': 'cross-site' }],
    ['from another origin of the site', { 'sec-fetch-site': 'same-site' }],
    ['of another origin', { origin: 'https://evil.example' }],
    ['of an origin that is hidden', { origin: 'null' }],
  ])('a form %s', async (_what, headers) => {
    const url = await serve(consoleOf());
    expect(await explain(url, issuer.token(), { headers })).toMatchObject({ status: 403 });
  });

  test.each([
    ['none', undefined],
    ['wrong', 'x'.repeat(43)],
    ['two', ['a', 'b']],
  ])('a form whose own token is %s', async (_what, form) => {
    const url = await serve(consoleOf());
    const body = new URLSearchParams({ token: issuer.token(), ...(form && { form }) }).toString();
    expect(await ask(url, { method: 'POST', headers: FORM, body })).toMatchObject({ status: 403 });
  });

  test('what is no form, is too long, or another method', async () => {
    const url = await serve(consoleOf());
    expect(
      await ask(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' }),
    ).toMatchObject({ status: 415 });
    expect(await explain(url, 'x'.repeat(70_000))).toMatchObject({ status: 413 });
    expect(await ask(url, { method: 'DELETE' })).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD, POST' } });
    expect(await explain(url, '  ')).toMatchObject({ status: 400 });
  });

  test('replicas with one secret accept the forms of one another', async () => {
    const secret = 'a secret of thirty-two characters';
    const [one, other] = [await serve(consoleOf({ secret })), await serve(consoleOf({ secret }))];
    const body = new URLSearchParams({ form: formTokenIn((await ask(one)).text), token: 'a.b.c' }).toString();
    expect(await ask(other, { method: 'POST', headers: FORM, body })).toMatchObject({ status: 200 });
    const strange = await serve(consoleOf());
    expect(await ask(strange, { method: 'POST', headers: FORM, body })).toMatchObject({ status: 403 });
  });
});

test('nothing is kept by a browser, framed, run or loaded from elsewhere', async () => {
  const url = await serve(consoleOf());
  const { headers, text } = await ask(url);
  expect(headers).toMatchObject({
    'cache-control': 'no-store',
    'content-type': 'text/html; charset=utf-8',
    'referrer-policy': 'same-origin',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
  });
  expect(headers['content-security-policy']).toMatch(
    /^default-src 'none'; style-src 'sha256-[\w+/]{43}='; img-src data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'$/,
  );
  expect(text).not.toMatch(/<script|\son\w+=|style="|javascript:|https?:\/\/(?!127\.0\.0\.1)/i);
  expect(await ask(url, { method: 'HEAD' })).toMatchObject({ status: 200, text: '' });
});

describe('a token is explained', () => {
  test('by the policy of the configuration, and leaves no trace', async () => {
    const url = await serve(consoleOf());
    const token = issuer.token({ aud: 'account', sub: 'subject-of-ada-lovelace', email: 'ada@people.example' });
    const { status, text } = await explain(url, `Bearer ${token}\n`);
    expect(status).toBe(200);
    expect(text).toContain('ERR_TOKEN_AUDIENCE');
    expect(text).toContain('&quot;account&quot;');
    expect(text).toContain('signature and every other check hold');
    const after = (await ask(url)).text;
    for (const page of [text, after]) {
      for (let at = 0; at + 16 <= token.length; at += 1) expect(page.includes(token.slice(at, at + 16))).toBe(false);
      expect(page).not.toMatch(/subject-of-ada|ada@people/);
    }
    expect(after).not.toContain('What becomes of the token');
    // The keys this process has now.
    expect(after).toContain('key-1');
  });

  test('by policies given, by one of them, and in the tenants listed', async () => {
    const url = await serve(
      consoleOf({
        getAppConfig: async ({ tenantId }) =>
          configOf({ oidc: { enabled: true, issuer: issuer.url, audience: tenantId ?? 'agents' } }),
        tenants: async () => ['acme', 'globex'],
        policies: [
          { issuer: issuer.url, audience: 'other' },
          { issuer: 'nonsense', audience: 'a' },
        ],
      }),
    );
    const all = (await explain(url, issuer.token({ aud: 'acme' }))).text;
    expect(all.match(/<h3>[^<]*<\/h3>\s*<div class="scroll" role="region" aria-label="Checks by/g)).toHaveLength(4);
    expect(all).toContain('<option value="the configuration of tenant globex">');
    expect(all).toContain('ERR_POLICY_ISSUER');
    const one = (
      await explain(url, issuer.token({ aud: 'acme' }), { fields: { policy: 'the configuration of tenant acme' } })
    ).text;
    expect(one).toContain('the token is accepted');
    expect(one).not.toContain('ERR_TOKEN_AUDIENCE');
  });

  test('a configuration that is wrong, or cannot be read, is on the page', async () => {
    const wrong = await serve(consoleOf({ getAppConfig: async () => configOf({ oidc: { enabled: 'true' } }) }));
    expect((await ask(wrong)).text).toContain('enabled is &quot;true&quot;: no token is looked at');
    const getAppConfig = async () => {
      throw new TypeError('mongodb://ada:hunter2@db');
    };
    const { status, text } = await ask(await serve(consoleOf({ getAppConfig })));
    expect(status).toBe(200);
    expect(text).toContain('getAppConfig threw (TypeError)');
    expect(text).not.toContain('hunter2');
  });
});

describe.each([
  ['Express 4', express4],
  ['Express 5', express5],
])('in %s', (_name, express) => {
  test('mounted at a path, beside others', async () => {
    const app = express();
    app.use('/admin/auth', consoleOf());
    app.get('/admin/auth/else', (_req, res) => res.send('else'));
    app.all('/route', consoleOf());
    const origin = await serve(app);
    for (const path of ['/admin/auth', '/admin/auth/', '/admin/auth?x=1', '/route']) {
      expect(await ask(origin + path)).toMatchObject({ status: 200 });
      expect(await explain(origin + path, issuer.token())).toMatchObject({
        status: 200,
        text: expect.stringContaining('the token is accepted'),
      });
    }
    expect(await ask(`${origin}/admin/auth/else`)).toMatchObject({ status: 200, text: 'else' });
    expect(await ask(`${origin}/admin/auth/nothing`)).toMatchObject({ status: 404 });
  });

  test('behind a body parser of the host, and an error of authorize is the host’s', async () => {
    const app = express();
    app.use(express.urlencoded({ extended: true }));
    app.use('/ok', consoleOf());
    app.use(
      '/fails',
      consoleOf({
        authorize: async () => {
          throw new Error('no session');
        },
      }),
    );
    app.use((error, _req, res, _next) => res.status(418).send(error.message));
    const origin = await serve(app);
    expect(await explain(`${origin}/ok`, issuer.token())).toMatchObject({
      text: expect.stringContaining('the token is accepted'),
    });
    expect(await explain(`${origin}/ok`, 'x', { fields: { 'token[a]': 'b' } })).toMatchObject({ status: 400 });
    expect(await ask(`${origin}/fails`)).toMatchObject({ status: 418, text: 'no session' });
  });
});

describe('decisions', () => {
  const NOW = Date.parse('2026-03-01T12:00:30Z');
  const event = (over) => ({
    reference: 'ABCDEFGHJK',
    time: NOW,
    outcome: 'refused',
    code: 'ERR_TOKEN_AUDIENCE',
    ...over,
  });
  const pageOf = async () => {
    const handler = createHandler({ authorize: () => true }, { record, now: () => NOW });
    return (await ask(await serve(handler))).text;
  };

  test('are counted by minute and code, for an hour', () => {
    record.add(event({ time: NOW - 61 * 60_000 }));
    record.add(event({ time: NOW - 60_000 }));
    record.add(event({ outcome: 'accepted', code: undefined }));
    record.add(event({ code: undefined, cause: 'no-user' }));
    const hour = record.hour(NOW);
    expect(hour).toHaveLength(60);
    expect(hour.slice(-2).map(({ counts }) => [...counts])).toEqual([
      [['ERR_TOKEN_AUDIENCE', 1]],
      [
        ['accepted', 1],
        ['no-user', 1],
      ],
    ]);
    expect(hour.slice(0, -2).every(({ counts }) => counts.size === 0)).toBe(true);
  });

  test('the page says how many requests are counted twice, since a guard refused what was accepted', async () => {
    const captionOf = async () => /<caption>(\d+ accepted.*?)<\/caption>/.exec(await pageOf())[1];
    record.add(event({ outcome: 'accepted', code: undefined }));
    expect(await captionOf()).toBe('1 accepted; what was not, by code');
    record.add(event({ code: 'ERR_SCOPE_MISSING', guard: true }));
    expect(record.hour(NOW).at(-1).guards).toBe(1);
    expect(await captionOf()).toBe(
      '1 accepted; what was not, by code, 1 of it by guards of routes, whose requests are counted as accepted, too',
    );
  });

  test('a clock that is set back loses nothing', () => {
    record.add(event({}));
    record.add(event({ time: NOW - 300_000 }));
    expect([...record.hour(NOW).at(-1).counts]).toEqual([['ERR_TOKEN_AUDIENCE', 2]]);
  });

  test('of any number of strangers fill a bounded memory', () => {
    for (let index = 0; index < 20_000; index += 1)
      record.add(
        event({
          time: NOW + index * 1000,
          code: `ERR_${index}`,
          kid: `kid-${index}`,
          shadow: { outcome: 'refused', code: `S${index}` },
        }),
      );
    for (let index = 0; index < 1000; index += 1) record.add(event({ time: NOW + 20_000_000, code: `ERR_${index}` }));
    expect(record.refusals()).toHaveLength(200);
    expect(record.shadowDifferences()).toHaveLength(50);
    const { counts } = record.hour(NOW + 20_000_000).at(-1);
    expect(counts.size).toBeLessThanOrEqual(81);
    expect(counts.get('other')).toBeGreaterThan(900);
  });

  test('what strangers write removes no row of another code, and makes no kinds of its own before the claims', () => {
    record.add(event({ code: 'ERR_TOKEN_AUDIENCE', check: 'audience', got: 'account', reference: 'REAL' }));
    for (let index = 0; index < 1000; index += 1) {
      const texts = { kid: `kid-${index}`, got: `got-${index}` };
      record.add(event({ ...texts, code: 'ERR_TOKEN_ALGORITHM', check: 'algorithm' }));
      record.add(event({ ...texts, code: 'ERR_TOKEN_MALFORMED', check: 'form' }));
      record.add(event({ ...texts, code: 'ERR_KEY_NOT_FOUND', check: 'key' }));
      record.add(event({ ...texts, code: 'ERR_SIGNATURE_INVALID', check: 'signature', got: undefined }));
      record.add(event({ ...texts, code: 'ERR_TOKEN_ISSUER', check: 'issuer' }));
    }
    const rows = record.refusals();
    expect(rows.some(({ references }) => references.includes('REAL'))).toBe(true);
    const counts = new Map();
    for (const {
      event: { code },
    } of rows)
      counts.set(code, (counts.get(code) ?? 0) + 1);
    expect(Object.fromEntries(counts)).toEqual({
      ERR_TOKEN_AUDIENCE: 1,
      ERR_TOKEN_ALGORITHM: 1,
      ERR_TOKEN_MALFORMED: 1,
      ERR_KEY_NOT_FOUND: 1,
      ERR_SIGNATURE_INVALID: 1,
      ERR_TOKEN_ISSUER: 40,
    });
    // The newest of that code are there.
    expect(rows[0].event.got).toBe('got-999');
  });

  test('alike ones are one row, with expected, got and the newest references', async () => {
    for (const reference of ['AAAAAAAAAA', 'BBBBBBBBBB', 'CCCCCCCCCC', 'DDDDDDDDDD'])
      record.add(
        event({ reference, expected: 'agents', got: 'account', action: 'Set oidc.audience.', check: 'audience' }),
      );
    expect(record.refusals()).toEqual([
      expect.objectContaining({ count: 4, references: ['DDDDDDDDDD', 'CCCCCCCCCC', 'BBBBBBBBBB'] }),
    ]);
    const text = await pageOf();
    for (const part of [
      '<dt>expected</dt><dd>agents</dd>',
      '<dt>got</dt><dd>account</dd>',
      'Set oidc.audience.',
      'DDDDDDDDDD',
    ])
      expect(text).toContain(part);
    expect(text).toMatch(/<rect class="c0"[^>]*><title>12:00 UTC ERR_TOKEN_AUDIENCE: 4<\/title>/);
  });

  test('reach the console of the process by the channel', async () => {
    const handler = createConsole({ authorize: () => true });
    channel('remote-agent-auth:decision').publish(
      event({ time: Date.now(), reference: 'ZZZZZZZZZZ', outcome: 'api-key' }),
    );
    expect((await ask(await serve(handler))).text).toContain('ZZZZZZZZZZ');
  });

  test.each(HOSTILE_TEXTS)('%j is text wherever it stands', async (text) => {
    const names = [
      'code',
      'cause',
      'issuer',
      'policy',
      'tenant',
      'algorithm',
      'kid',
      'check',
      'expected',
      'got',
      'action',
      'keys',
    ];
    const everywhere = Object.fromEntries(names.map((name) => [name, text]));
    record.add(
      event({ ...everywhere, providerKids: [text], shadow: { outcome: text, code: text, expected: text, got: text } }),
    );
    const clean = tagsOf(await pageOf());
    record = new DecisionRecord();
    const harmless = Object.fromEntries(names.map((name) => [name, 'x']));
    record.add(
      event({ ...harmless, providerKids: ['x'], shadow: { outcome: 'x', code: 'x', expected: 'x', got: 'x' } }),
    );
    expect(clean).toEqual(tagsOf(await pageOf()));
  });

  /** The tags of a page with the names of their attributes. */
  const tagsOf = (text) => [...text.matchAll(/<[^>]*>/g)].map(([tag]) => tag.replace(/"[^"]*"/g, '""'));

  test('control characters and directions of writing are not shown', () => {
    expect(html`<p title="${'a\u202eb\u0000\u001b[2J\ud800'}">${['<b>', html`<i></i>`]}</p>`.toString()).toBe(
      '<p title="a?b??[2J?">&lt;b&gt;<i></i></p>',
    );
  });
});

test('a place for keys that nobody was asked for is no issuer that is down', () => {
  const { sourcesSection } = require('../../../lib/operations/console-sources');
  const refreshes = (begun) => ({ begun, succeeded: 0, failed: begun, notModified: 0 });
  const of = (begun) =>
    String(
      sourcesSection([
        { kind: 'discovery', url: 'https://a.example', age: null, keys: [], refreshes: refreshes(begun) },
      ]),
    );
  expect(of(0)).toContain('No provider was asked for keys yet.');
  expect(of(0)).not.toContain('a.example');
  expect(of(1)).toContain('there is no usable key');
});
