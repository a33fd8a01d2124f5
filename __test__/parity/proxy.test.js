'use strict';

// LibreChat's suite of the proxy variables (scenarios 45 and 380 to 391), by the one thing that counts: which proxy a fetch used.

const { createServer, request: forward } = require('node:http');
const { once } = require('node:events');
const { clearRemoteAgentAuthCache, expectPassed, suiteIssuer, World } = require('./world');
const { RemoteTokenVerifier } = require('../..');

/** A forward proxy that keeps book: plain requests it passes on, tunnels it refuses, which is enough to see them. */
class Proxy {
  requests = [];
  tunnels = [];
  async start() {
    this.server = createServer((request, response) => {
      this.requests.push(request.url);
      const forwarded = forward(request.url, { headers: request.headers, host: '127.0.0.1' }, (answer) => {
        response.writeHead(answer.statusCode, answer.headers);
        answer.pipe(response);
      });
      forwarded.on('error', () => response.writeHead(502).end());
      forwarded.end();
    });
    this.server.on('connect', (request, socket) => {
      this.tunnels.push(request.url);
      socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
    });
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    this.url = `http://127.0.0.1:${this.server.address().port}`;
    return this;
  }
  async stop() {
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }
  get used() {
    return { requests: this.requests.length, tunnels: this.tunnels.length };
  }
}

const NOT_USED = { requests: 0, tunnels: 0 };
/** An https location at which nobody listens: a tunnel to it is seen, a direct connection fails. */
const HTTPS_KEYS = 'https://127.0.0.1:1/keys';

const issuer = suiteIssuer();
let world;
let one;
let other;

beforeEach(async () => {
  clearRemoteAgentAuthCache();
  issuer.requests = { discovery: 0, keys: 0 };
  [one, other] = await Promise.all([new Proxy().start(), new Proxy().start()]);
  world = new World(issuer);
});
afterEach(() => Promise.all([one.stop(), other.stop()]));

const fetchKeys = async () => expectPassed(await world.send(world.token()));
const fetchHttpsKeys = async () => {
  world.configure({ apiKey: false, oidc: { jwksUri: HTTPS_KEYS } });
  expect((await world.send(world.token())).sent).toMatchObject([{ status: 401 }]);
};

test('[45] discovery and keys go through the configured proxy', async () => {
  process.env.PROXY = one.url;
  world.configure({ oidc: { jwksUri: undefined } });
  await fetchKeys();
  expect(one.requests).toEqual([`${issuer.url}/.well-known/openid-configuration`, issuer.jwksUri]);
});

test('[380] without a variable fetches are direct', async () => {
  await fetchKeys();
  await fetchHttpsKeys();
  expect([one.used, other.used]).toEqual([NOT_USED, NOT_USED]);
  expect(issuer.requests.keys).toBe(1);
});

test('[381] PROXY serves both schemes, except for what no_proxy names', async () => {
  process.env.PROXY = ` ${one.url} `;
  await fetchKeys();
  await fetchHttpsKeys();
  expect(one.used).toEqual({ requests: 1, tunnels: 1 });

  clearRemoteAgentAuthCache();
  process.env.no_proxy = '127.0.0.1';
  world.configure();
  await fetchKeys();
  await fetchHttpsKeys();
  expect(one.used).toEqual({ requests: 1, tunnels: 1 });
});

test('[382] variables in lower case come before those in upper case', async () => {
  Object.assign(process.env, {
    http_proxy: one.url,
    HTTP_PROXY: other.url,
    https_proxy: one.url,
    HTTPS_PROXY: other.url,
  });
  await fetchKeys();
  await fetchHttpsKeys();
  expect([one.used, other.used]).toEqual([{ requests: 1, tunnels: 1 }, NOT_USED]);

  clearRemoteAgentAuthCache();
  Object.assign(process.env, { NO_PROXY: 'elsewhere.example', no_proxy: '127.0.0.1' });
  world.configure();
  await fetchKeys();
  expect(one.used.requests).toBe(1);
});

test('[383] a proxy serves until the variable changes, and then the new one does', async () => {
  process.env.PROXY = one.url;
  await fetchKeys();
  await fetchKeys();
  expect([one.used.requests, other.used.requests]).toEqual([1, 0]);
  process.env.PROXY = other.url;
  await fetchKeys();
  expect([one.used.requests, other.used.requests]).toEqual([1, 1]);
});

describe('named by the policy', () => {
  const verifier = new RemoteTokenVerifier();
  const verify = (proxy) =>
    verifier.verify(world.token(), { issuer: issuer.url, audience: 'agents', jwksUri: issuer.jwksUri, proxy });

  test('[384] an explicit proxy serves, and what it brought is kept', async () => {
    await verify({ http: one.url });
    await verify({ http: one.url });
    expect(one.used.requests).toBe(1);
  });

  test('[385] an explicit proxy that PROXY names as well is the same one: one fetch for both', async () => {
    process.env.PROXY = one.url;
    await verify({ http: one.url, https: one.url });
    await fetchKeys();
    expect(one.used.requests).toBe(1);
  });
});

describe('the bypass list', () => {
  const PORT = '{port}';
  test.each([
    ['127.0.0.1', '127.0.0.1', 'direct'],
    ['localhost', 'localhost', 'direct'],
    ['LOCALHOST', 'localhost', 'direct'],
    ['localhost', 'a.localhost', 'direct'],
    ['.localhost', 'a.localhost', 'direct'],
    ['*.localhost', 'a.b.localhost', 'direct'],
    [`127.0.0.1:${PORT}`, '127.0.0.1', 'direct'],
    ['elsewhere.example, 127.0.0.1', '127.0.0.1', 'direct'],
    ['elsewhere.example 127.0.0.1', '127.0.0.1', 'direct'],
    ['*', '127.0.0.1', 'direct'],
    ['127.0.0.1:1', '127.0.0.1', 'proxied'],
    ['b.localhost', 'a.localhost', 'proxied'],
    ['a.localhost', 'localhost', 'proxied'],
    ['host', 'localhost', 'proxied'],
    ['', '127.0.0.1', 'proxied'],
  ])('[386] "%s": %s is %s', async (list, host, expected) => {
    Object.assign(process.env, { PROXY: one.url, no_proxy: list.replace(PORT, issuer.port) });
    world.configure({ oidc: { jwksUri: issuer.jwksUri.replace('127.0.0.1', host) } });
    await world.send(world.token());
    expect(one.used.requests > 0 ? 'proxied' : 'direct').toBe(expected);
    // Names below localhost may mean nothing to this machine's resolver.
    if (!host.endsWith('.localhost')) expect(issuer.requests.keys).toBe(1);
  });
});

test('[387] each scheme has its own proxy, and the bypass counts for both', async () => {
  Object.assign(process.env, { http_proxy: one.url, https_proxy: other.url });
  await fetchKeys();
  await fetchHttpsKeys();
  expect([one.used, other.used]).toEqual([
    { requests: 1, tunnels: 0 },
    { requests: 0, tunnels: 1 },
  ]);

  clearRemoteAgentAuthCache();
  process.env.no_proxy = '127.0.0.1';
  world.configure();
  await fetchKeys();
  await fetchHttpsKeys();
  expect([one.used.requests, other.used.tunnels]).toEqual([1, 1]);
});

test('[388] https goes through the http proxy when only that is set', async () => {
  process.env.http_proxy = one.url;
  await fetchHttpsKeys();
  expect(one.tunnels).toEqual(['127.0.0.1:1']);
});

test('[389] https goes through a tunnel and through nothing else', async () => {
  process.env.https_proxy = one.url;
  await fetchHttpsKeys();
  expect([one.requests, one.tunnels]).toEqual([[], ['127.0.0.1:1']]);
});

test('[390] what is bypassed is fetched directly', async () => {
  Object.assign(process.env, { https_proxy: one.url, http_proxy: other.url, no_proxy: '*' });
  await fetchKeys();
  await fetchHttpsKeys();
  expect([one.used, other.used]).toEqual([NOT_USED, NOT_USED]);
  expect(issuer.requests.keys).toBe(1);
});

test('[391] plain http goes to the proxy with the whole URL, without a tunnel', async () => {
  process.env.http_proxy = one.url;
  await fetchKeys();
  expect([one.requests, one.tunnels]).toEqual([[issuer.jwksUri], []]);
});
