'use strict';

const { createRemoteAgentAuth } = require('../../../lib/middleware/remote-agent-auth');
const { RemoteAuthError } = require('../../../lib/verifier/errors');
const { fakeVerifier } = require('../../support/fakes');

const deps = () => ({
  apiKeyMiddleware() {},
  findUser() {},
  updateUser() {},
  getAppConfig() {},
});
const make = (options, over = {}) =>
  createRemoteAgentAuth({ ...deps(), ...over }, { verifier: fakeVerifier(), ...options });

/** The error a call throws, so that its code can be looked at whatever realm it comes from. */
const thrown = (call) => {
  try {
    call();
  } catch (error) {
    return error;
  }
  return undefined;
};

describe('dependencies', () => {
  test.each(['apiKeyMiddleware', 'findUser', 'updateUser', 'getAppConfig'])('%s must be a function', (name) => {
    expect(() => make({}, { [name]: undefined })).toThrow(`deps.${name} must be a function`);
    expect(() => make({}, { [name]: {} })).toThrow(`deps.${name} must be a function`);
  });

  test.each([
    'getTenantId',
    'runInTenant',
    'getRolesByNames',
    'isPrincipalActive',
    'onUserLookup',
    'tenantContextMiddleware',
  ])('%s may be absent, but nothing else than a function', (name) => {
    expect(() => make({}, { [name]: undefined })).not.toThrow();
    expect(() => make({}, { [name]: 'tenant' })).toThrow(`deps.${name} must be a function when given`);
  });

  test.each([undefined, null])('no dependencies at all (%s) is said as clearly', (nothing) => {
    expect(() => createRemoteAgentAuth(nothing)).toThrow('deps.apiKeyMiddleware must be a function');
  });

  test('further members are left alone, because LibreChat shares one object among factories', () => {
    expect(() => make({}, { createUser() {}, bulkUpdateGroups() {} })).not.toThrow();
  });
});

describe('options', () => {
  test.each([
    ['polcy', 'policy'],
    ['response', 'responses'],
    ['callbacktimeout', 'callbackTimeout'],
    ['allowUnverifiedEmails', 'allowUnverifiedEmail'],
    ['relm', 'realm'],
    ['verifer', 'verifier'],
  ])('an unknown name (%s) is an error that names the nearest known one (%s)', (unknown, known) => {
    const error = thrown(() => make({ [unknown]: true }));
    expect(error).toBeInstanceOf(RemoteAuthError);
    expect(error).toMatchObject({ code: 'ERR_POLICY_OPTION', fault: 'config' });
    expect(error.message).toContain(`"${unknown}"`);
    expect(error.message).toContain(`did you mean "${known}"`);
  });

  test.each(['verify', 'clients', 'x'])('nothing is suggested for a name that is far from all (%s)', (unknown) => {
    expect(thrown(() => make({ [unknown]: true })).message).toBe(`createRemoteAgentAuth: unknown option "${unknown}"`);
  });

  test.each([
    ['allowUnverifiedEmail', { allowUnverifiedEmail: 'yes' }],
    ['allowEmailFallback', { allowEmailFallback: null }],
    ['fallbackOnInvalidToken', { fallbackOnInvalidToken: 0 }],
    ["'librechat' or 'standard'", { responses: 'rfc' }],
    ["'librechat' or 'openai' or 'problem', or a function", { bodies: 'html' }],
    ["'allow' or 'reject'", { tenantConflict: true }],
    ['callbackTimeout', { callbackTimeout: -1 }],
    ['callbackTimeout', { callbackTimeout: NaN }],
    ['callbackTimeout', { callbackTimeout: 2 ** 31 }],
    ['policy', { policy: 'strict' }],
    ['policy', { policy: [] }],
    ['policy', { policy: null }],
    ['asynchronous', { policy: Promise.resolve({}) }],
    ['issuer', { policy: { issuer: 'https://other.example' } }],
    ['audience', { policy: { audience: 'others' } }],
    ['OPENID_EMAIL_CLAIM', { policy: { emailClaim: 'mail' } }],
    ['jwks', { policy: { jwks: '{}' } }],
    ['"allowedTenants", which is one issuer\'s alone', { policy: { allowedTenants: ['one'] } }],
    ['plain data', { policy: { algorithms: () => [] } }],
    ['belongs into the option policy', { requireExp: false }],
    ['belongs into the option policy', { cacheMaxAge: 60_000 }],
    ['realm', { realm: 'line\nbreak' }],
    ['realm', { realm: 7 }],
    ['resourceMetadata', { resourceMetadata: 'https://api.example.com/a"b' }],
    ['resourceMetadata', { resourceMetadata: 'https://api.example.com/\r\nX: y' }],
    ['resourceMetadata', { resourceMetadata: null }],
    ['resourceMetadata', { resourceMetadata: {} }],
    ['verifier.compile', { verifier: {} }],
    ['verifier.recheck', { verifier: { compile() {}, check() {} } }],
    ['verifier', { verifier: null }],
  ])('a wrong %s is an error that names it', (name, options) => {
    const error = thrown(() => make(options));
    expect(error).toMatchObject({ code: 'ERR_POLICY_OPTION', fault: 'config' });
    expect(error.message).toContain(name);
  });

  test.each([null, 'options', 7])('%j instead of options is an error', (options) => {
    expect(thrown(() => createRemoteAgentAuth(deps(), options))).toMatchObject({ code: 'ERR_POLICY_OPTION' });
  });

  test('what the verifier thinks of a policy option comes out at the factory, not at the first request', () => {
    const verifier = fakeVerifier();
    verifier.compile = ({ algorithms }) => {
      if (algorithms?.includes('HS256')) {
        throw new RemoteAuthError({ code: 'ERR_POLICY_ALGORITHMS', fault: 'config', message: 'HS256' });
      }
      return {};
    };
    expect(thrown(() => make({ verifier, policy: { algorithms: ['HS256'] } }))).toMatchObject({
      code: 'ERR_POLICY_ALGORITHMS',
    });
    expect(() => make({ verifier, policy: { algorithms: ['RS256'] } })).not.toThrow();
  });

  test('a policy object changed after the factory changes nothing', async () => {
    const { createPolicyExtra } = require('../../../lib/policy/option');
    const policy = { algorithms: ['RS256'] };
    const extra = createPolicyExtra(policy);
    policy.algorithms.push('EdDSA');
    expect(extra({}, undefined).options).toEqual({ algorithms: ['RS256'] });
  });

  test('without a request tenant nothing could be in conflict with it', () => {
    expect(() => make({ tenantConflict: 'reject' })).toThrow('needs deps.getTenantId');
    expect(() => make({ tenantConflict: 'reject' }, { getTenantId() {} })).not.toThrow();
  });
});
