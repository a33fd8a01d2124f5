'use strict';

// Tenant isolation under load, on every Node this package supports: row S22.

const { execFile } = require('node:child_process');
const path = require('node:path');
const { promisify } = require('node:util');
const { describeWith } = require('../support/needs');
const { nodeOf } = require('../support/nodes');
const { score } = require('../support/score');

const EVERYWHERE = [
  'after the handler',
  'apiKeyMiddleware',
  'findUser',
  'getAppConfig',
  'getRolesByNames',
  'isPrincipalActive',
  'next',
  'onUserLookup',
  'tenantContextMiddleware',
  'updateUser',
];

const child = path.join(__dirname, '..', 'support', 'children', 'contexts.js');

for (const major of [20, 22, 24]) {
  const { node, reason } = nodeOf(major);
  describeWith(`Node ${major}`, reason, { required: true })(`Node ${major}`, () => {
    test('2,000 requests of seven tenants at once: each callback is in its own tenant, before and after it waits', async () => {
      const { stdout } = await promisify(execFile)(node, [child], { env: { PATH: process.env.PATH } });
      const { node: version, requests, fetches, observations, places, wrong } = JSON.parse(stdout);
      const misplaced = Object.values(wrong).reduce((sum, count) => sum + count, 0);
      expect(wrong).toEqual({});
      expect(places).toEqual(EVERYWHERE);
      expect(version).toMatch(new RegExp(`^${major}\\.`));
      expect(fetches).toEqual({ discovery: 1, keys: 1 });
      score(
        'S22',
        `Node ${version}: ${requests} requests at once, ${observations} observations, ${misplaced} in the wrong tenant`,
        '0 in the wrong tenant',
        misplaced === 0 && observations > 20_000,
      );
    }, 60_000);
  });
}
