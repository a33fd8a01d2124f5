'use strict';

const { execFileSync } = require('node:child_process');
const path = require('node:path');

test('a worker that shares keys and ends holds up no refresh, and sharing keeps no process alive', () => {
  const child = path.join(__dirname, '..', 'support', 'children', 'shared-keys-end.js');
  // It is ended where it does not end by itself.
  const said = execFileSync(process.execPath, [child], { encoding: 'utf8', timeout: 60_000 });
  const { took, fetches } = JSON.parse(said);
  expect(took).toBeLessThan(5_000);
  expect(fetches).toBe(2);
}, 90_000);
