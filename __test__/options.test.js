'use strict';

const { createRemoteAgentAuth } = require('../lib/remote-agent-auth');
const { RemoteAuthError } = require('../lib/errors');
const { fakeVerifier } = require('./support/fakes');

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

  test.each(['getTenantId', 'runInTenant'])('%s may be absent, but nothing else than a function', (name) => {
    expect(() => make({}, { [name]: undefined })).not.toThrow();
    expect(() => make({}, { [name]: 'tenant' })).toThrow(`deps.${name} must be a function when given`);
  });

  test.each([undefined, null])('no dependencies at all (%s) is said as clearly', (nothing) => {
    expect(() => createRemoteAgentAuth(nothing)).toThrow('deps.apiKeyMiddleware must be a function');
  });

  test('further members are left alone, because LibreChat shares one object among factories', () => {
    expect(() => make({}, { getRolesByNames() {}, createUser() {} })).not.toThrow();
  });
});

describe('options', () => {
  test.each([
    ['requireExpiry', 'requireExp'],
    ['algoritms', 'algorithms'],
    ['clocktolerance', 'clockTolerance'],
    ['allowUnverifiedEmails', 'allowUnverifiedEmail'],
    ['relm', 'realm'],
    ['verify', 'verifier'],
  ])('an unknown name (%s) is an error that names the nearest known one (%s)', (unknown, known) => {
    const error = thrown(() => make({ [unknown]: true }));
    expect(error).toBeInstanceOf(RemoteAuthError);
    expect(error).toMatchObject({ code: 'ERR_POLICY_OPTION', fault: 'config' });
    expect(error.message).toContain(`"${unknown}"`);
    expect(error.message).toContain(`did you mean "${known}"`);
  });

  test.each([
    ['allowUnverifiedEmail', { allowUnverifiedEmail: 'yes' }],
    ['realm', { realm: 'line\nbreak' }],
    ['realm', { realm: 7 }],
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
    expect(thrown(() => make({ verifier, algorithms: ['HS256'] }))).toMatchObject({ code: 'ERR_POLICY_ALGORITHMS' });
    expect(() => make({ verifier, algorithms: ['RS256'] })).not.toThrow();
  });
});
