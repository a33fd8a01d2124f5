'use strict';

// Rotation under load: at each interval a new signing key, the old one deleted at once; one client for each old generation keeps
// sending its token, which has not expired. Nobody with a token of the published key may notice.

const { setTimeout: after } = require('node:timers/promises');
const { Load, summary } = require('./load');
const { row } = require('./table');

/** Requests of clients with a withdrawn key: 4 a second in all; of the one with the newest: 5. */
const STALE_EVERY_MS = 250;
const NEWEST_EVERY_MS = 200;
/** A set of keys lives 60 s; the rest is for the refresh that ends its life and for a machine that is busy. */
const WITHDRAWN_LIMIT_S = 65;

/** @typedef {{ rotate: () => Promise<void>, token: () => Promise<string> }} Signing what the provider offers: a new key, a token of it */

/**
 * @param {string} provider
 * @param {import('./host').Policy} policy
 * @param {Signing} signing
 * @param {{ rotations: number, interval: number }} schedule
 * @param {(line: string) => void} say
 */
async function rotationRows(provider, policy, signing, { rotations, interval }, say) {
  const load = new Load(policy);
  const tokens = [await signing.token()];
  /** @type {number[]} when the key of a generation was gone */
  const gone = [];
  let turn = 0;
  load.send(NEWEST_EVERY_MS, () => ({ client: `generation ${tokens.length - 1}`, token: String(tokens.at(-1)) }));
  load.send(STALE_EVERY_MS, () => {
    const old = tokens.length - 1;
    if (old === 0) return undefined;
    const generation = turn++ % old;
    return { client: `stale ${generation}`, token: String(tokens[generation]) };
  });
  await after(2_000);
  for (let generation = 1; generation <= rotations; generation++) {
    await signing.rotate();
    gone[generation - 1] = Date.now();
    tokens.push(await signing.token());
    say(`rotation ${generation} of ${rotations}`);
    await after(interval * 1_000);
  }
  const answers = await load.end();
  const rows = Array.from({ length: rotations }, (_, at) => {
    const { sent, refused, figure } = summary(answers, `generation ${at + 1}`);
    return row(provider, `tokens of the key of rotation ${at + 1}`, '0 refused', figure, sent > 0 && refused === 0);
  });
  const honoured = answers
    .filter(({ client, code }) => client.startsWith('stale ') && code === 'accepted')
    .map(({ client, sent }) => (sent - Number(gone[Number(client.slice(6))])) / 1_000);
  const longest = Math.max(0, ...honoured);
  rows.push(
    row(
      provider,
      'a withdrawn key',
      `at most ${WITHDRAWN_LIMIT_S} s`,
      `honoured for ${longest.toFixed(1)} s at most`,
      longest <= WITHDRAWN_LIMIT_S,
    ),
  );
  return rows;
}

module.exports = { rotationRows };
