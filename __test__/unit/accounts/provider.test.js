'use strict';

const { isLoginProvider } = require('../../../lib/accounts/provider');

const TENANT = '11111111-2222-4333-8444-555555555555';
const OTHER = '99999999-2222-4333-8444-555555555555';
const v1 = (tenant) => `https://sts.windows.net/${tenant}`;
const v2 = (tenant) => `https://login.microsoftonline.com/${tenant}/v2.0`;

test.each([
  ['https://login.example.com/realms/a', undefined, true],
  ['https://login.example.com/realms/a', '', true],
  ['https://login.example.com/realms/a', 'https://login.example.com/realms/a/', true],
  [v1(TENANT), v2(TENANT), true],
  [v2(TENANT), v1(TENANT), true],
  ['https://login.example.com/realms/b', 'https://login.example.com/realms/a', false],
  ['https://evil.example', v2(TENANT), false],
  [v2(OTHER), v2(TENANT), false],
  [`https://login.partner.microsoftonline.cn/${OTHER}/v2.0`, v2(TENANT), false],
  [undefined, 'https://login.example.com', false],
])('the secret may go to %s while OPENID_ISSUER is %s: %s', (issuer, login, expected) => {
  expect(isLoginProvider(issuer, login)).toBe(expected);
});
