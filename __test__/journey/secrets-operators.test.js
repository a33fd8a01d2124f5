'use strict';

// No part of a token, no address, no subject and no control character in what the doctor says, on the console's page and in errors as JSON:
// every hostile token of tests/vectors. Row S34 has the log and the errors in secrets.test.js.

const http = require('node:http');
const { RemoteTokenVerifier } = require('../..');
const { explanationsOf } = require('../../lib/operations/console-explain');
const { page } = require('../../lib/operations/console-page');
const { DecisionRecord } = require('../../lib/operations/console-record');
const { score } = require('../support/score');
const { sets } = require('../../tests/vectors/key-sets.json');

const ROWS = ['headers', 'algorithms', 'claims', 'issuer-forms', 'scopes', 'limits'].flatMap((table) =>
  require(`../../tests/vectors/${table}.json`),
);
const NAMES = Object.keys(sets);
/** So many characters of a token in a row are no accident. */
const WINDOW = 16;
/** A subject or an address shorter than that may be a word of ours. */
const SHORTEST = 6;

let server;
let origin;
beforeAll(async () => {
  server = http.createServer((request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(sets[NAMES[Number(request.url.slice(1))]]);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${server.address().port}`;
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

/** @param {string} token @returns {any} its claims, where they can be read */
function claimsOf(token) {
  try {
    return JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString('utf8')) ?? {};
  } catch {
    return {};
  }
}

/** What of a token a text holds. */
function leakIn(text, token) {
  const windows = new Set();
  for (let at = 0; at + WINDOW <= token.length; at += 1) windows.add(token.slice(at, at + WINDOW));
  for (let at = 0; at + WINDOW <= text.length; at += 1)
    if (windows.has(text.slice(at, at + WINDOW))) return 'a part of the token';
  const { sub, email, preferred_username: name, upn, aud, iss, azp, scope } = claimsOf(token);
  // What operators may see: the audience, the issuer, the client and the scope.
  const shown = JSON.stringify([aud, iss, azp, scope]);
  const person = [sub, email, name, upn].filter((value) => typeof value === 'string' && value.length >= SHORTEST);
  if (person.some((value) => text.includes(value) && !shown.includes(value))) return 'a person';
  return /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/.test(text) ? 'a control character' : undefined;
}

test('a part of a token, a person and a control character would be found', () => {
  const { token } = ROWS[0];
  expect(leakIn(`x${token.slice(30, 46)}x`, token)).toBe('a part of the token');
  expect(leakIn('\u202e', token)).toBe('a control character');
  expect(leakIn('refused', token)).toBeUndefined();
});

test('no hostile token leaves a trace with the doctor, on the console or in the JSON of an error', async () => {
  const leaks = [];
  let texts = 0;
  for (const { name, token, policy, keys, now } of ROWS) {
    new RemoteTokenVerifier().clear();
    const options = { ...policy, jwksUri: `${origin}/${NAMES.indexOf(keys)}` };
    const usable = (() => {
      try {
        return new RemoteTokenVerifier().compile(options) !== undefined;
      } catch {
        return false;
      }
    })();
    const named = { name: 'policy', lines: [], ...(usable && { options }) };
    const explanations = await explanationsOf(token, [named], undefined, now);
    const record = new DecisionRecord();
    const error = await new RemoteTokenVerifier({ clock: () => now }).verify(token, options).then(
      () => undefined,
      (refused) => refused,
    );
    if (error !== undefined)
      record.add({
        reference: 'ABCDEFGHJK',
        time: now * 1000,
        outcome: 'refused',
        code: error.code,
        expected: error.expected,
        got: error.got,
      });
    const html = page({
      ...{ now: now * 1000, hour: record.hour(now * 1000), refusals: record.refusals(), shadowDifferences: [] },
      ...{ policies: [named], sources: new RemoteTokenVerifier().stats().sources, formToken: 'x', explanations },
    });
    const lines = explanations.flatMap((explanation) => explanation.lines.map((line) => Object.values(line).join(' ')));
    for (const text of [html, ...lines, JSON.stringify(error ?? {})]) {
      texts += 1;
      const leak = leakIn(text, token);
      if (leak !== undefined) leaks.push({ name, leak, text: text.slice(0, 300) });
    }
  }
  expect(leaks.slice(0, 3)).toEqual([]);
  score(
    'S34',
    `doctor, console, error JSON: ${ROWS.length} tokens, ${texts} texts, ${leaks.length} with a trace`,
    '0 with a trace',
    leaks.length === 0,
  );
}, 60_000);
