'use strict';

/**
 * @typedef {import('../../native').CompiledPolicy} CompiledPolicy
 * @typedef {import('./provider').Client} Client
 * @typedef {Record<string, unknown>} Claims
 * @typedef {{ ok: true, claims: Claims } | { ok: false, reason: 'unauthorized' | 'subject_mismatch' | 'service_error', message: string }} Userinfo
 * @typedef {{ policy: CompiledPolicy, token: string, subject: string, issuer: string | undefined, expiresAt?: number,
 *   hosts: readonly string[] }} Question
 *
 * `policy` names the provider, and the way of reaching it.
 * @typedef {{ policy: CompiledPolicy, token: string, subject: string, until: number, answer: Promise<Userinfo> }} Entry
 */

/** Milliseconds an answer is good for: a profile that changed is seen within a minute. */
const LIFE = 60_000;
/** Answers kept, each with its token: at most 16 KiB, and what the provider says of one person. */
const MOST = 1_000;
/** Characters of a kept answer as JSON: one with a picture in it is asked for again. */
const LONGEST_KEPT = 16_384;
/** Characters at a token's end that are enough of a key to look one up; the whole is compared below. */
const TAIL = 24;

/**
 * What userinfo says of the token's subject. One question for all who ask it at once; good answers are kept for a minute and not
 * past the token's end, others are not kept.
 * @param {{ client: () => Client, onBehalf: (policy: CompiledPolicy, token: string, provider: import('./provider').Provider) =>
 *   Promise<import('./provider').Exchanged> | undefined, clock?: () => number }} parts `onBehalf`: another token for userinfo, where the environment wants one
 */
function createUserinfo({ client, onBehalf, clock = Date.now }) {
  /** By the token's end; the oldest first. @type {Map<string, Entry>} */
  const entries = new Map();

  return find;

  /** @param {Question} question @returns {Promise<Userinfo>} */
  function find(question) {
    const { policy, token, subject, expiresAt } = question;
    const tail = token.slice(-TAIL);
    const known = entries.get(tail);
    const now = clock();
    const isSame = known?.policy === policy && known.token === token && known.subject === subject;
    if (isSame && now < known.until) return known.answer;
    const answer = ask(question);
    const entry = {
      policy,
      token,
      subject,
      until: Math.min(now + LIFE, expiresAt === undefined ? Infinity : expiresAt * 1000),
      answer,
    };
    entries.delete(tail);
    if (entries.size >= MOST) entries.delete(/** @type {string} */ (entries.keys().next().value));
    entries.set(tail, entry);
    const forget = () => {
      if (entries.get(tail) === entry) entries.delete(tail);
    };
    answer.then((userinfo) => isKept(userinfo) || forget(), forget);
    return answer;
  }

  /** @param {Question} question @returns {Promise<Userinfo>} */
  async function ask({ policy, token, subject, issuer, hosts }) {
    try {
      const exchanged = await onBehalf(policy, token, { issuer, hosts });
      if (exchanged?.ok === false) return { ok: false, reason: 'service_error', message: exchanged.message };
      const answer = await client().userinfo(policy, { token: exchanged?.token ?? token, subject, hosts });
      return answer.ok
        ? { ok: true, claims: answer.claims }
        : { ok: false, reason: answer.reason, message: `${answer.code}: ${answer.message}` };
    } catch (error) {
      return { ok: false, reason: 'service_error', message: error instanceof Error ? error.message : String(error) };
    }
  }
}

/** @param {Userinfo} userinfo */
function isKept(userinfo) {
  return userinfo.ok && JSON.stringify(userinfo.claims).length <= LONGEST_KEPT;
}

module.exports = { createUserinfo };
