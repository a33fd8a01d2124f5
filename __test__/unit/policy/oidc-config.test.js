'use strict';

const { enabledAuthMethods, readAuthConfig } = require('../../../lib/policy/oidc-config');
const { configOf } = require('../../support/fakes');

const oidc = { enabled: true, issuer: 'https://issuer.example', audience: 'agents' };

describe('API keys', () => {
  test.each([
    ['no remoteApi block', {}],
    ['no agents block', { endpoints: {} }],
    ['no auth block', { endpoints: { agents: { remoteApi: {} } } }],
    ['no apiKey block', configOf({})],
    ['no enabled key', configOf({ apiKey: {} })],
    ['true', configOf({ apiKey: { enabled: true } })],
    ['0', configOf({ apiKey: { enabled: 0 } })],
    ['"false"', configOf({ apiKey: { enabled: 'false' } })],
    ['null', configOf({ apiKey: { enabled: null } })],
    ['an empty string', configOf({ apiKey: { enabled: '' } })],
  ])('are enabled with %s', (_name, config) => {
    expect(readAuthConfig(config).apiKeyEnabled).toBe(true);
  });

  test('are disabled by the exact boolean false only', () => {
    expect(readAuthConfig(configOf({ apiKey: { enabled: false } })).apiKeyEnabled).toBe(false);
  });
});

describe('OIDC', () => {
  test.each([
    ['no block', undefined],
    ['null', null],
    ['no enabled key', {}],
    ['false', { ...oidc, enabled: false }],
    ['"true"', { ...oidc, enabled: 'true' }],
    ['1', { ...oidc, enabled: 1 }],
  ])('is off with %s', (_name, block) => {
    expect(readAuthConfig(configOf({ oidc: block })).oidc).toEqual({ state: 'off' });
  });

  test.each([
    ['issuer', 'missing', { enabled: true, audience: 'a' }],
    ['issuer', 'empty', { ...oidc, issuer: '' }],
    ['issuer', 'null', { ...oidc, issuer: null }],
    ['issuer', 'missing together with the audience', { enabled: true }],
    ['audience', 'missing', { enabled: true, issuer: 'https://issuer.example' }],
    ['audience', 'empty', { ...oidc, audience: '' }],
    ['audience', 'zero', { ...oidc, audience: 0 }],
  ])('is misconfigured when the %s is %s', (missing, _how, block) => {
    expect(readAuthConfig(configOf({ oidc: block })).oidc).toEqual({ state: 'misconfigured', missing });
  });

  test('gives the fields of the policy, falsy optional ones as absent, unknown ones dropped', () => {
    const block = { ...oidc, jwksUri: '', scope: 'a b', audiance: 'typo' };
    expect(readAuthConfig(configOf({ oidc: block })).oidc).toEqual({
      state: 'on',
      fields: { issuer: 'https://issuer.example', audience: 'agents', jwksUri: undefined, scope: 'a b' },
    });
    const accounts = { provisioning: { enabled: true }, userInfo: null };
    expect(readAuthConfig(configOf({ oidc: { ...oidc, ...accounts } }))).toMatchObject({
      oidc: { accounts },
      unknownKeys: [],
    });
  });

  test('leaves defects of any other kind to the policy', () => {
    const plan = readAuthConfig(configOf({ oidc: { enabled: true, issuer: 7, audience: {}, scope: ['a'] } })).oidc;
    expect(plan).toEqual({ state: 'on', fields: { issuer: 7, audience: {}, jwksUri: undefined, scope: ['a'] } });
  });

  test('copies a list of audiences, because hosts change their configuration in place', () => {
    const block = { ...oidc, audience: ['a', 'b'] };
    const plan = readAuthConfig(configOf({ oidc: block })).oidc;
    block.audience.push('c');
    expect(plan.fields.audience).toEqual(['a', 'b']);
  });
});

test.each([null, undefined])('a config that is %s is an error, not "everything off"', (config) => {
  expect(() => readAuthConfig(config)).toThrow('getAppConfig returned no configuration');
});

describe('enabledAuthMethods', () => {
  const of = (auth) => enabledAuthMethods({ endpoints: { agents: { remoteApi: { auth } } } });
  test.each([
    [undefined, { apiKey: true, oidc: false }],
    [{ apiKey: { enabled: false } }, { apiKey: false, oidc: false }],
    [{ apiKey: { enabled: 0 } }, { apiKey: true, oidc: false }],
    [{ oidc: { enabled: true, issuer: 'https://a', audience: 'b' } }, { apiKey: true, oidc: true }],
    [{ oidc: { enabled: true } }, { apiKey: true, oidc: true }],
    [{ oidc: { enabled: 'true' } }, { apiKey: true, oidc: false }],
  ])('%j has on: %j', (auth, methods) => {
    expect(of(auth)).toEqual(methods);
  });

  test('no configuration at all is an error, as it is for a request', () => {
    expect(() => enabledAuthMethods(null)).toThrow('no configuration');
  });
});
