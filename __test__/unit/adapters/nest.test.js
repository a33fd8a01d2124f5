'use strict';

// What is asked of a route by several decorators is asked together: a guard that is lost is an open route.

require('reflect-metadata');
const { SetMetadata } = require('@nestjs/common');
const { requireScopes } = require('../../..');
const { BearerAuthGuard, Public, Require } = require('../../../lib/adapters/nest');
const { createTestIssuer } = require('../../../lib/testing');

/** @type {import('../../../testing').TestIssuer} */
let issuer;
beforeAll(async () => {
  issuer = await createTestIssuer({ alg: 'ES256' });
});
afterAll(() => issuer.stop());

const [admin, read] = [Require(requireScopes('admin')), Require(requireScopes('read'))];
/** As TypeScript applies them: the lowest one first. */
function decorated(decorators, Owner = class {}) {
  Owner.prototype.route = () => undefined;
  const descriptor = Object.getOwnPropertyDescriptor(Owner.prototype, 'route');
  for (const decorate of [...decorators].reverse()) decorate(Owner.prototype, 'route', descriptor);
  return Owner;
}
async function statusOf(Owner, scope) {
  const guard = new BearerAuthGuard({ ...issuer.policy(), verifier: new (require('../../..').RemoteTokenVerifier)() });
  const request = { method: 'GET', url: '/', headers: { authorization: `Bearer ${issuer.token({ scope })}` } };
  const context = {
    getType: () => 'http',
    getHandler: () => Owner.prototype.route,
    getClass: () => Owner,
    switchToHttp: () => ({ getRequest: () => request, getResponse: () => ({ setHeader() {} }) }),
  };
  return guard.canActivate(context).then(
    () => 200,
    (error) => error.getStatus(),
  );
}

test.each([
  ['one above the other', () => decorated([admin, read])],
  ['in the other order', () => decorated([read, admin])],
  ['with another decorator between', () => decorated([admin, SetMetadata('own', 1), Public(), read])],
  [
    'twice on the class',
    () => {
      const Owner = decorated([]);
      read(Owner);
      admin(Owner);
      return Owner;
    },
  ],
  [
    'one on the class, one on the method',
    () => {
      const Owner = decorated([read]);
      admin(Owner);
      return Owner;
    },
  ],
  [
    'one on the class that is inherited from',
    () => {
      class Parent {}
      admin(Parent);
      const Owner = decorated([], class extends Parent {});
      read(Owner);
      return Owner;
    },
  ],
])('two @Require, %s, are both asked', async (_case, make) => {
  const Owner = make();
  expect(await statusOf(Owner, 'read')).toBe(403);
  expect(await statusOf(Owner, 'admin')).toBe(403);
  expect(await statusOf(Owner, 'admin read')).toBe(200);
});

test('one route’s guards are not another’s, nor those of the class that is inherited from', async () => {
  class Parent {}
  const Child = decorated([], class extends Parent {});
  admin(Child);
  expect(await statusOf(decorated([read], Parent), 'read')).toBe(200);
  expect(await statusOf(decorated([read]), 'read')).toBe(200);
});

test('@Require that would have no effect is an error', () => {
  expect(() => admin(class {}.prototype, 'field')).toThrow(expect.objectContaining({ code: 'ERR_POLICY_OPTION' }));
});
