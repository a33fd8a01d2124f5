'use strict';

// One request of LibreChat's own test suite, replayed through the adapter: its dependency object as doubles and nothing else, its
// request and response doubles, LibreChat's own logger and tenant storage, the real native verifier, and a provider on loopback in
// place of mocked key clients.

process.env.LOG_TO_FILE = 'false';

const { createServer } = require('node:http');
const { once } = require('node:events');
const schemas = require('@librechat/data-schemas');
const { createRemoteAgentAuth, clearRemoteAgentAuthCache } = require('./librechat');
const { bareResponse, configOf, recordingLogger } = require('../support/fakes');
const { Issuer, encode } = require('../support/issuer');

const A = { error: 'Authentication required' };
const B = { error: 'Bearer token required' };
const U = { error: 'Unauthorized' };
const S = { error: 'Internal server error' };

const BASE = 'base';

/** Everything the middleware may read of the environment; a scenario sets what it needs. */
const VARIABLES = [
  'OPENID_JWKS_URL',
  'OPENID_JWKS_URL_CACHE_ENABLED',
  'OPENID_JWKS_URL_CACHE_TIME',
  'OPENID_ISSUER',
  'OPENID_EMAIL_CLAIM',
  'OPENID_ROLE_SYNC_ENABLED',
  'OPENID_ROLE_SYNC_API_ENABLED',
  'OPENID_ROLE_SYNC_SOURCE',
  'OPENID_ROLE_SYNC_CLAIM',
  'OPENID_ROLE_SYNC_ROLE_PRIORITY',
  'OPENID_ROLE_SYNC_FALLBACK_ROLE',
  'PROXY',
  'proxy',
  'HTTP_PROXY',
  'http_proxy',
  'HTTPS_PROXY',
  'https_proxy',
  'NO_PROXY',
  'no_proxy',
  'TENANT_ISOLATION_STRICT',
];

/** Gives every test of a file an environment without LibreChat's variables, and puts the caller's back afterwards. */
function isolateEnvironment() {
  const saved = Object.fromEntries(VARIABLES.map((name) => [name, process.env[name]]));
  const wipe = () => VARIABLES.forEach((name) => delete process.env[name]);
  beforeEach(wipe);
  afterAll(() => {
    wipe();
    for (const [name, value] of Object.entries(saved)) if (value !== undefined) process.env[name] = value;
  });
}

/**
 * What every suite of scenarios begins with: a provider of its own, an environment without LibreChat's variables, and nothing in the
 * caches from the test before.
 * @returns {Issuer} started before the first test
 */
function suiteIssuer() {
  const issuer = new Issuer();
  isolateEnvironment();
  beforeAll(() => issuer.start());
  afterAll(() => issuer.stop());
  beforeEach(() => clearRemoteAgentAuthCache());
  return issuer;
}

const SUBJECT = 'sub-1';

/** The user of LibreChat's suite: known by subject and issuer. */
const knownUser = (issuer, over = {}) => ({
  _id: { toString: () => 'user-1' },
  email: 'ada@example.com',
  provider: 'openid',
  openidId: SUBJECT,
  openidIssuer: issuer.url,
  role: 'USER',
  ...over,
});

/** Dependencies, their calls, and what one request left behind. */
class World {
  /** LibreChat's tenant storage, by the name of the tenant alone. */
  tenants = {
    run: (tenant, work) => schemas.tenantStorage.run(tenant === undefined ? undefined : { tenantId: tenant }, work),
    getStore: () => schemas.getTenantId(),
  };
  logger = recordingLogger();
  configs = {};

  /** @param {Issuer} issuer @param {{ deps?: object, options?: object }} [over] */
  constructor(issuer, { deps = {}, options } = {}) {
    this.issuer = issuer;
    this.options = options;
    this.configure();
    this.deps = {
      getAppConfig: jest.fn(async (scope) => this.configs[scope.tenantId ?? BASE]),
      findUser: jest.fn(async () => knownUser(issuer)),
      updateUser: jest.fn(async () => null),
      apiKeyMiddleware: jest.fn(async (req, res, next) => next()),
      ...deps,
    };
    for (const level of ['debug', 'info', 'warn', 'error'])
      jest.spyOn(schemas.logger, level).mockImplementation(this.logger[level]);
  }

  /**
   * The base configuration, or a tenant's. Defaults are LibreChat's suite's: OIDC on, explicit key location, API keys on.
   * @param {{ apiKey?: boolean, oidc?: object | null, auth?: object, tenant?: string }} [over]
   *   `auth`: the whole block instead
   */
  configure({ apiKey = true, oidc = {}, auth, tenant = BASE } = {}) {
    const block = oidc === null ? { enabled: false } : { ...this.oidc, ...oidc };
    this.configs[tenant] = auth === null ? {} : configOf(auth ?? { apiKey: { enabled: apiKey }, oidc: block });
    return this;
  }

  get oidc() {
    return { enabled: true, issuer: this.issuer.url, audience: 'agents', jwksUri: this.issuer.jwksUri };
  }

  token(claims, options) {
    return this.issuer.token({ sub: SUBJECT, ...claims }, options);
  }

  /**
   * @param {string} [token] sent as a Bearer token, when given
   * @param {{ header?: string, user?: object, tenant?: string, headers?: object, body?: object }} [over]
   */
  async send(token, { header = token && `Bearer ${token}`, user, tenant, headers = {}, body } = {}) {
    this.handler ??= createRemoteAgentAuth(this.deps, this.options);
    const req = { headers: { ...(header === undefined ? {} : { authorization: header }), ...headers }, body };
    if (user !== undefined) req.user = user;
    const res = bareResponse();
    const tenantsSeen = [];
    const next = jest.fn(() => void tenantsSeen.push(this.tenants.getStore()));
    await this.tenants.run(tenant, () => this.handler(req, res, next));
    return { req, res, next, sent: res.sent, tenantsSeen };
  }

  /** Lines of one level whose text contains the fragment. */
  logged(level, fragment = '') {
    return this.logger.lines.filter(([at, text]) => at === level && text.includes(fragment));
  }
}

/** The request passed: `next()` without arguments, once, nothing answered. */
function expectPassed({ next, sent }) {
  expect(sent).toEqual([]);
  expect(next.mock.calls).toEqual([[]]);
}

/** The request was answered by us and went no further. */
function expectAnswered({ next, sent }, status, body) {
  expect(sent).toEqual([{ status, body }]);
  expect(next).not.toHaveBeenCalled();
}

/** As expectAnswered for an OIDC attempt: no user, nothing written, and the API-key middleware not asked. */
function expectRefused(world, result, status = 401, body = U) {
  expectAnswered(result, status, body);
  expect(result.req.user).toBeUndefined();
  expect(world.deps.updateUser).not.toHaveBeenCalled();
  expect(world.deps.apiKeyMiddleware).not.toHaveBeenCalled();
}

/** A plain HTTP server on loopback: `routes[path]` answers, or the request is counted and 404. */
class Http {
  hits = {};
  routes = {};
  async start() {
    this.server = createServer((request, response) => {
      this.hits[request.url] = (this.hits[request.url] ?? 0) + 1;
      const route = this.routes[request.url] ?? this.routes['*'];
      if (route === undefined) return response.writeHead(404).end();
      if (typeof route === 'function') return route(request, response);
      return response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(route));
    });
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    this.port = this.server.address().port;
    this.url = `http://127.0.0.1:${this.port}`;
    return this;
  }
  async stop() {
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }
}

module.exports = {
  A,
  B,
  Http,
  Issuer,
  S,
  SUBJECT,
  U,
  World,
  clearRemoteAgentAuthCache,
  encode,
  expectAnswered,
  expectPassed,
  expectRefused,
  isolateEnvironment,
  knownUser,
  suiteIssuer,
};
