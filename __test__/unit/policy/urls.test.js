'use strict';

// The tables of policies, URLs and issuer forms through the native addon, and beside LibreChat's own URL rule.
// `tests/suite/url_rule.rs` and `tests/suite/vectors.rs` run the same tables through the Rust core.

const { isRemoteOidcUrlAllowed } = require('librechat-data-provider');
const { normalizeIssuer } = require('../../../lib/policy/issuer');
const { RemoteTokenVerifier } = require('../../../lib/verifier');
const issuers = require('../../../tests/vectors/issuers.json');
const policies = require('../../../tests/vectors/policies.json');
const urls = require('../../../tests/vectors/urls.json');

const verifier = new RemoteTokenVerifier();
const GOOD = { issuer: 'https://id.example', audience: 'api' };

/** 'ok', or the code that `compile` throws. */
function codeOf(options) {
  try {
    verifier.compile(options);
    return 'ok';
  } catch (error) {
    if (error.fault !== 'config') throw error;
    return error.code;
  }
}

describe('URLs a policy may name', () => {
  test.each(urls.map((row) => [JSON.stringify(row.value), row]))('%s', (text, { value, allowed, unset, differs }) => {
    if (!differs) expect(isRemoteOidcUrlAllowed(value)).toBe(allowed);
    // Several issuers may be listed; each is a URL where the keys are discovered.
    const isListed = Array.isArray(value) && value.length > 0;
    expect(codeOf({ ...GOOD, issuer: value })).toBe(allowed || isListed ? 'ok' : 'ERR_POLICY_ISSUER');
    expect(codeOf({ ...GOOD, jwksUri: value })).toBe(allowed || isLeftOut(value, unset) ? 'ok' : 'ERR_POLICY_JWKS_URI');
  });

  // Of LibreChat's falsy values only those that mean "not set" in a type-checked call count as such here.
  function isLeftOut(value, unset) {
    return unset === true && (value === '' || value === null);
  }

  test('an undefined jwksUri means discovery', () => {
    expect(codeOf({ ...GOOD, jwksUri: undefined })).toBe('ok');
  });

  test.each([[undefined], [Symbol('x')], [5n], [() => 'https://a'], [new String('https://a.example.com')]])(
    'an issuer of %p is refused without a throw of another kind',
    (issuer) => {
      expect(codeOf({ ...GOOD, issuer })).toBe('ERR_POLICY_ISSUER');
    },
  );
});

describe('forms of an issuer', () => {
  test.each(issuers.map((row) => [JSON.stringify(row.configured), row]))('%s', (text, { configured, normal }) => {
    expect(normalizeIssuer(configured) ?? null).toBe(normal);
  });
});

describe('policies', () => {
  test.each(policies.map((row) => [row.name, row]))('%s', (name, { policy, expect: expected }) => {
    expect(codeOf(policy)).toBe(expected);
  });

  test.each([[NaN], [Infinity], [-Infinity], [5n]])('refuses a clockTolerance of %p', (clockTolerance) => {
    expect(codeOf({ ...GOOD, clockTolerance })).toBe('ERR_POLICY_OPTION');
  });

  test.each([[undefined], [null], [5], ['https://id.example'], [true], [() => GOOD]])(
    'refuses %p for a policy',
    (options) => {
      expect(codeOf(options)).toMatch(/^ERR_POLICY_/);
    },
  );

  test('names the nearest option', () => {
    expect(() => verifier.compile({ ...GOOD, audiance: 'api' })).toThrow(/audience/);
  });

  test('does not change its mind when the options are changed afterwards', () => {
    const options = { ...GOOD, audience: ['api'] };
    const policy = verifier.compile(options);
    options.audience.push('other');
    options.issuer = 'https://else.example';
    expect(policy).toBeDefined();
    expect(codeOf(options)).toBe('ok');
  });
});
