'use strict';

const { subscribe, unsubscribe } = require('node:diagnostics_channel');
const { RemoteTokenVerifier } = require('../../..');
const { KeyWatch, lookAtKeys } = require('../../../lib/events/key-watch');
const { Issuer } = require('../../support/issuer');
const { auth, isolateEnvironment, oidcOf, setUp, storedUser } = require('../../support/flow');

isolateEnvironment();

const events = [];
const listen = (event) => events.push(event);
beforeEach(() => {
  events.length = 0;
  subscribe('remote-agent-auth:keys', listen);
});
afterEach(() => unsubscribe('remote-agent-auth:keys', listen));

const source = (over = {}) => ({
  kind: 'discovery',
  url: 'https://a.example',
  age: 1,
  lastFailure: null,
  refreshes: { begun: 1, succeeded: 1, failed: 0, notModified: 0 },
  keys: [{ thumbprint: 'A', kid: 'a' }],
  ...over,
});

test('says what became of keys since the last look, and nothing of the first', () => {
  const time = { now: 0 };
  let sources = [source()];
  let asked = 0;
  const stats = () => {
    asked += 1;
    return { sources };
  };
  const watch = new KeyWatch(stats, () => time.now);
  watch.look();
  watch.look();
  expect([asked, events]).toEqual([1, []]);
  sources = [
    source({
      keys: [{ thumbprint: 'B', kid: 'b\n' }],
      refreshes: { begun: 3, succeeded: 2, failed: 1, notModified: 0 },
      lastFailure: { age: 0, code: 'ERR_JWKS_FETCH', message: 'm', reason: 'dns', host: 'a.example' },
    }),
  ];
  time.now = 1000;
  watch.look();
  const of = { time: expect.any(Number), kind: 'discovery', source: 'https://a.example' };
  expect(events).toEqual([
    { ...of, event: 'refreshed', age: 1 },
    { ...of, event: 'failed', code: 'ERR_JWKS_FETCH', reason: 'dns', host: 'a.example' },
    { ...of, event: 'added', kids: ['b\ufffd'] },
    { ...of, event: 'withdrawn', kids: ['a'] },
  ]);
  expect(events.every(Object.isFrozen)).toBe(true);
});

test('a look that takes long is a rare one', () => {
  const time = { now: 0 };
  let asked = 0;
  const stats = () => {
    asked += 1;
    time.now += 50;
    return { sources: [] };
  };
  const watch = new KeyWatch(stats, () => time.now);
  for (; time.now < 10_000; time.now += 100) watch.look();
  expect(asked).toBe(2);
});

test('the middleware looks after a decision, and asks nothing while nobody listens', async () => {
  const issuer = await new Issuer().start();
  const verifier = new RemoteTokenVerifier();
  const asked = jest.spyOn(verifier, 'stats');
  const app = setUp({ config: auth({ oidc: oidcOf({ issuer: issuer.url }) }), options: { verifier } });
  unsubscribe('remote-agent-auth:keys', listen);
  await app.call({ authorization: `Bearer ${issuer.token()}` });
  expect(asked).not.toHaveBeenCalled();
  subscribe('remote-agent-auth:keys', listen);
  await app.call({ authorization: `Bearer ${issuer.token()}` });
  expect(asked).toHaveBeenCalledTimes(1);
  await issuer.stop();
});

test('sources of one name are one: keys of either are not withdrawn', () => {
  const time = { now: 0 };
  const inline = (thumbprint, succeeded = 1) =>
    source({
      kind: 'inline',
      url: '',
      keys: [{ thumbprint, kid: thumbprint }],
      refreshes: { begun: 1, succeeded, failed: 0, notModified: 0 },
    });
  let sources = [inline('A'), inline('B')];
  const watch = new KeyWatch(
    () => ({ sources }),
    () => time.now,
  );
  const next = (now) => {
    sources = now;
    time.now += 1000;
    watch.look();
    return events.splice(0).map(({ event, kids }) => [event, kids]);
  };
  expect(next([inline('A'), inline('B')])).toEqual([]);
  expect(next([inline('B'), inline('A')])).toEqual([]);
  expect(next([inline('B'), inline('A', 2)])).toEqual([['refreshed', undefined]]);
  expect(next([inline('B', 2), inline('C', 1)])).toEqual([
    ['added', ['C']],
    ['withdrawn', ['A']],
  ]);
});

test.each([
  [
    'that fails',
    () => {
      throw new Error('stats');
    },
  ],
  ['of another shape', () => ({ hits: 1 })],
  ['without anything', () => undefined],
])('a verifier with statistics %s keeps no caller from being let in', async (_, stats) => {
  const verifier = { ...new RemoteTokenVerifier(), stats };
  expect(() => lookAtKeys(verifier)).not.toThrow();
  const app = setUp({ user: storedUser() });
  app.verifier.stats = stats;
  expect((await app.call()).next.mock.calls).toEqual([[]]);
  expect(events).toEqual([]);
});
