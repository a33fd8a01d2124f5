// What a policy may say. Rows that no Rust caller could write (wrong types, unknown options) run in jest only.
import { ISSUER, POLICY } from './base.mjs';

const rows = [];
const row = (name, expect, changes) => rows.push({ name, policy: { ...POLICY, ...changes }, expect });
const OPTION = 'ERR_POLICY_OPTION';
const ALGORITHMS = 'ERR_POLICY_ALGORITHMS';
const AUDIENCE = 'ERR_POLICY_AUDIENCE';

row('accepts an issuer and an audience', 'ok', {});
row('accepts every option there is', 'ok', {
  enabled: true, jwksUri: `${ISSUER}/jwks`, scope: 'a b', algorithms: ['RS256'], requireExp: true, requireKid: true, clockTolerance: 5, emailClaim: 'mail',
});
row('ignores enabled, whatever it is', 'ok', { enabled: 'yes' });
row('ignores enabled: false', 'ok', { enabled: false });
row('takes an empty jwksUri for none', 'ok', { jwksUri: '' });
row('refuses a blank jwksUri', 'ERR_POLICY_JWKS_URI', { jwksUri: '  ' });
row('refuses a missing issuer', 'ERR_POLICY_ISSUER', { issuer: undefined });
row('refuses an empty issuer', 'ERR_POLICY_ISSUER', { issuer: '' });
row('refuses a null issuer', 'ERR_POLICY_ISSUER', { issuer: null });
row('refuses a missing audience', AUDIENCE, { audience: undefined });
for (const audience of ['', null, 0, 5, true, {}, [], [''], ['api', ''], ['api', 5], [['api']], [null]]) row(`refuses an audience of ${JSON.stringify(audience)}`, AUDIENCE, { audience });
row('accepts an audience of blanks', 'ok', { audience: ' ' });
row('accepts several audiences', 'ok', { audience: ['a', 'b'] });
row('accepts an empty scope', 'ok', { scope: '' });
row('accepts a blank scope', 'ok', { scope: '  ' });
row('accepts a scope with a comma', 'ok', { scope: 'a,b' });
for (const scope of [5, true, ['a'], {}]) row(`refuses a scope of ${JSON.stringify(scope)}`, 'ERR_POLICY_SCOPE', { scope });
for (const algorithms of [[], ['HS256'], ['none'], ['RS256', 'none'], ['RS256', 'HS256'], ['rs256'], ['ES256K'], ['Ed448'], [''], 'RS256', {}, [5], [null], [['RS256']], ['__proto__'], ['constructor']]) {
  row(`refuses algorithms of ${JSON.stringify(algorithms)}`, ALGORITHMS, { algorithms });
}
row('accepts EdDSA among the algorithms', 'ok', { algorithms: ['EdDSA'] });
row('accepts all ten algorithms', 'ok', { algorithms: ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'] });
for (const clockTolerance of [0, 0.5, 300]) row(`accepts a clockTolerance of ${clockTolerance}`, 'ok', { clockTolerance });
for (const clockTolerance of [-1, -0.001, 300.001, 301, 1e9, '5', true, [], {}]) row(`refuses a clockTolerance of ${JSON.stringify(clockTolerance)}`, OPTION, { clockTolerance });
for (const name of ['requireExp', 'requireKid']) {
  for (const value of ['true', 'false', 0, 1, []]) row(`refuses ${name} of ${JSON.stringify(value)}`, OPTION, { [name]: value });
}
for (const emailClaim of [5, true, ['mail'], {}]) row(`refuses an emailClaim of ${JSON.stringify(emailClaim)}`, OPTION, { emailClaim });
row('accepts an emailClaim', 'ok', { emailClaim: 'https://example.com/mail' });
for (const name of ['audiance', 'Issuer', 'jwks_uri', 'jwksURI', 'algorithm', 'requireEXP', 'clockTolerence', 'leeway', 'constructor', 'x']) {
  row(`refuses an option called ${name}`, OPTION, { [name]: 'x' });
}

export default rows;
