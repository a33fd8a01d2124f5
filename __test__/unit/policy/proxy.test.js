'use strict';

const { readProxy } = require('../../../lib/policy/proxy');

const P = 'http://p.example:3128';
const Q = 'http://q.example:3128';

test.each([
  ['nothing', {}, undefined],
  ['only a bypass list', { NO_PROXY: '*' }, undefined],
  ['PROXY, for both schemes', { PROXY: ` ${P}\n` }, { http: P, https: P }],
  ['proxy in lower case', { proxy: P }, { http: P, https: P }],
  ['PROXY of blanks', { PROXY: '  ' }, undefined],
  ['PROXY before the others', { PROXY: P, HTTPS_PROXY: Q, http_proxy: Q }, { http: P, https: P }],
  ['PROXY with a bypass list', { PROXY: P, no_proxy: 'a' }, { http: P, https: P, bypass: 'a' }],
  ['lower case before upper', { http_proxy: P, HTTP_PROXY: Q, https_proxy: Q, HTTPS_PROXY: P }, { http: P, https: Q }],
  ['lower case, empty, before upper', { http_proxy: '', HTTP_PROXY: Q, https_proxy: P }, { https: P }],
  ['upper case', { HTTP_PROXY: P, HTTPS_PROXY: Q, NO_PROXY: 'a b' }, { http: P, https: Q, bypass: 'a b' }],
  ['http only', { HTTP_PROXY: P }, { http: P }],
  ['https only', { HTTPS_PROXY: P }, { https: P }],
  ['a bypass list in both cases', { PROXY: P, no_proxy: 'a', NO_PROXY: 'b' }, { http: P, https: P, bypass: 'a' }],
])('%s', (_name, env, expected) => {
  expect(readProxy(env)).toEqual(expected);
});
