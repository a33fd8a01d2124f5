'use strict';

// Clients that send tokens at a steady rate, whatever becomes of them, and what they were answered.

const { generateKeyPairSync, randomUUID, sign } = require('node:crypto');
const { codeOf } = require('./host');

/** @typedef {import('./host').Policy} Policy */
/** @typedef {{ client: string, sent: number, answered: number, code: string }} Answer times in milliseconds */

class Load {
  /** @type {Answer[]} */
  answers = [];
  /** @type {Promise<unknown>[]} */
  #pending = [];
  /** @type {NodeJS.Timeout[]} */
  #timers = [];

  /** @param {Policy} policy */
  constructor(policy) {
    this.policy = policy;
  }

  /**
   * @param {number} every milliseconds
   * @param {() => { client: string, token: string } | undefined} next whose turn it is
   */
  send(every, next) {
    const one = () => {
      const turn = next();
      if (turn === undefined) return;
      const sent = Date.now();
      const answer = codeOf(turn.token, this.policy);
      this.#pending.push(
        answer.then((code) => this.answers.push({ client: turn.client, sent, answered: Date.now(), code })),
      );
    };
    this.#timers.push(setInterval(one, every));
  }

  /** @returns {Promise<Answer[]>} once all are answered */
  async end() {
    for (const timer of this.#timers) clearInterval(timer);
    await Promise.all(this.#pending);
    return this.answers;
  }
}

/**
 * What became of the tokens of one client that should all have passed.
 * @param {Answer[]} answers
 * @param {string} client
 */
function summary(answers, client) {
  const all = answers.filter((answer) => answer.client === client);
  const refused = all.filter(({ code }) => code !== 'accepted');
  const span =
    refused.length === 0
      ? 0
      : Math.max(...refused.map(({ answered }) => answered)) - Math.min(...refused.map(({ sent }) => sent));
  const waited = Math.max(0, ...all.map(({ sent, answered }) => answered - sent));
  const codes = [...new Set(refused.map(({ code }) => code))];
  const figure = `${refused.length} of ${all.length} refused${refused.length > 0 ? ` over ${(span / 1_000).toFixed(1)} s (${codes.join(', ')})` : ''}`;
  return {
    sent: all.length,
    refused: refused.length,
    figure: `${figure}; longest answer ${(waited / 1_000).toFixed(1)} s`,
  };
}

const encode = (/** @type {unknown} */ part) => Buffer.from(JSON.stringify(part)).toString('base64url');

/** Tokens that look right until their signature is checked, each with another `kid`. @param {Policy} policy */
function stranger({ issuer, audience, scope }) {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return () => {
    const exp = Math.floor(Date.now() / 1_000) + 600;
    const signed = `${encode({ alg: 'ES256', kid: randomUUID() })}.${encode({ iss: issuer, aud: audience, scope, sub: 'nobody', exp })}`;
    const signature = sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString(
      'base64url',
    );
    return `${signed}.${signature}`;
  };
}

module.exports = { Load, stranger, summary };
