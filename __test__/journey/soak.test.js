'use strict';

// Every call into native code, again and again, in a process of its own: what is allocated for a check must be freed with it.

const { spawnSync } = require('node:child_process');
const path = require('node:path');
const { long, score } = require('../support/score');

const CHECKS = long ? 10_000_000 : 200_000;
const LIMIT = 16 * 1024 * 1024;
/** No measure of speed: a child that takes longer hangs. */
const HANGS = long ? 3_600_000 : 300_000;

test(
  'S29: checks by the million leave nothing behind',
  () => {
    const child = path.join(__dirname, '..', 'support/children/soak.js');
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--expose-gc', child, String(CHECKS)], {
      encoding: 'utf8',
      timeout: HANGS,
    });
    expect([status, stderr]).toEqual([0, '']);
    const { checks, grown } = JSON.parse(stdout);
    const figure = `${checks} checks, memory ${grown < 0 ? 'less by' : 'grown by'} ${(Math.abs(grown) / 1024 / 1024).toFixed(1)} MiB`;
    score('S29', figure, 'growth under 16 MiB', checks === CHECKS && grown < LIMIT);
  },
  HANGS,
);
