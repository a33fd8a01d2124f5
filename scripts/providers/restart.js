'use strict';

// The provider goes away and comes back with a new key, while one client sends unknown `kid`s and another good tokens.

const { setTimeout: after } = require('node:timers/promises');
const { Load, stranger, summary } = require('./load');
const { row } = require('./table');

const DOWN_MS = 15_000;
const BACK_MS = 20_000;

/**
 * @param {string} provider
 * @param {import('./host').Policy} policy
 * @param {import('./rotation').Signing & { halt: () => Promise<void>, resume: () => Promise<void> }} server
 * @param {(line: string) => void} say
 */
async function restartRows(provider, policy, server, say) {
  const old = await server.token();
  const load = new Load(policy);
  const forge = stranger(policy);
  let good = { client: 'before', token: old };
  load.send(200, () => good);
  load.send(500, () => ({ client: 'stranger', token: forge() }));
  await after(2_000);
  say('halts, under load');
  await server.halt();
  await after(DOWN_MS);
  await server.resume();
  await server.rotate();
  good = { client: 'after', token: await server.token() };
  say('is back, with a new key');
  await after(BACK_MS);
  const answers = await load.end();
  const rows = [
    ['restart: tokens of the key known before', 'before'],
    ['restart: tokens of the new key', 'after'],
  ].map(([check, client]) => {
    const { sent, refused, figure } = summary(answers, String(client));
    return row(provider, String(check), '0 refused', figure, sent > 0 && refused === 0);
  });
  const strangers = summary(answers, 'stranger');
  rows.push(
    row(
      provider,
      'restart: a stranger’s tokens',
      'all refused',
      strangers.figure,
      strangers.sent > 0 && strangers.refused === strangers.sent,
    ),
  );
  return rows;
}

module.exports = { restartRows };
