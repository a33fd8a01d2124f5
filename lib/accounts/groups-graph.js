'use strict';

const { forGraph, isOn } = require('./provider');

/**
 * @typedef {import('./provider').Client} Client
 * @typedef {import('../../native').CompiledPolicy} CompiledPolicy
 *
 * @typedef {{ id: string, name: string, email?: string, description?: string }} Group
 * @typedef {{ status: number, retryAfter?: number, body: any }} Answer
 *
 * `provider`: whose token endpoint is asked for the exchange. `graphBase`: the origin of the cloud's Graph. `sleep`: waits so many milliseconds.
 * @typedef {{ client: () => Client, policy: CompiledPolicy, token: string, provider: import('./provider').Provider,
 *   graphBase: string, sleep: (ms: number) => Promise<void> }} Surroundings
 */

/** Requests Microsoft Graph takes in one batch. */
const BATCH = 20;
/** Batches under way at once. */
const AT_ONCE = 4;
/** How often an answer of 429 or 503 is asked for again, and after how many milliseconds where nothing is said. */
const PAUSES = [1_000, 2_000];
/** Milliseconds that one reading may wait where Graph asks for it (`Retry-After`). */
const MOST_WAITING = 30_000;
/** Pages read of one list, and identifiers taken of all: Graph itself gives 11,000 groups at most. */
const MOST_PAGES = 100;
const MOST_GROUPS = 20_000;
/** An identifier of Entra ID is a GUID. */
const IDENTIFIER = /^[0-9A-Za-z-]{1,64}$/;
const TRY_AGAIN = [429, 503];

/** Reads somebody's groups from Microsoft Graph, in LibreChat's own name. All of it or an error. */
class GraphGroups {
  #given;
  #waited = 0;
  #graphToken = '';

  /** @param {Surroundings} given */
  constructor(given) {
    this.#given = given;
  }

  /** @returns {Promise<string[]>} the groups somebody is in, and with ENTRA_ID_INCLUDE_OWNERS_AS_MEMBERS those somebody owns */
  async memberships() {
    const { client, policy, token, provider, graphBase } = this.#given;
    const exchanged = await forGraph(client, policy, token, provider, graphBase);
    if (!exchanged.ok) throw new GraphError(exchanged.message);
    this.#graphToken = exchanged.token;
    const { env } = process;
    const member = await this.#list('POST', '/v1.0/me/getMemberGroups', { securityEnabledOnly: false });
    const owned = isOn(env.ENTRA_ID_INCLUDE_OWNERS_AS_MEMBERS)
      ? await this.#list('GET', '/v1.0/me/ownedObjects/microsoft.graph.group?$select=id&$top=999')
      : [];
    const ids = new Set([...member, ...owned.map((/** @type {any} */ group) => group?.id)]);
    if (ids.size > MOST_GROUPS) throw new GraphError(`more than ${MOST_GROUPS} groups`);
    for (const id of ids)
      if (typeof id !== 'string' || !IDENTIFIER.test(id)) throw new GraphError('a group without a usable identifier');
    return /** @type {string[]} */ ([...ids]);
  }

  /**
   * @param {string[]} ids
   * @returns {Promise<Group[]>} each of them
   */
  async details(ids) {
    /** @type {string[][]} */
    const batches = [];
    for (let at = 0; at < ids.length; at += BATCH) batches.push(ids.slice(at, at + BATCH));
    /** @type {Group[]} */
    const groups = [];
    let failed = false;
    const work = async () => {
      for (let batch = batches.shift(); batch !== undefined && !failed; batch = batches.shift())
        groups.push(...(await this.#batch(batch)));
    };
    const stop = (/** @type {unknown} */ error) => {
      // Nobody asks on for what will not be used.
      failed = true;
      throw error;
    };
    await Promise.all(Array.from({ length: AT_ONCE }, () => work().catch(stop)));
    return groups;
  }

  /** @param {'GET' | 'POST'} method @param {string} path @param {object} [body] @returns {Promise<any[]>} */
  async #list(method, path, body) {
    const items = [];
    let [how, next, what] = [method, path, body];
    for (let page = 0; page < MOST_PAGES; page += 1) {
      const { status, body: answer } = await this.#ask(how, next, what);
      if (status !== 200 || !Array.isArray(answer?.value)) throw new GraphError(`status ${status} without a list`);
      items.push(...answer.value);
      const link = answer['@odata.nextLink'];
      if (typeof link !== 'string') return items;
      if (items.length > MOST_GROUPS) break;
      // The client refuses a link that leads elsewhere.
      [how, next, what] = ['GET', link, undefined];
    }
    throw new GraphError('a list without an end');
  }

  /** @param {string[]} ids at most 20 @returns {Promise<Group[]>} */
  async #batch(ids) {
    const groups = [];
    let left = ids;
    for (let attempt = 0; ; attempt += 1) {
      const requests = left.map((id) => ({
        id,
        method: 'GET',
        url: `/groups/${id}?$select=id,displayName,mail,description`,
      }));
      const { status, body } = await this.#ask('POST', '/v1.0/$batch', { requests });
      if (status !== 200 || !Array.isArray(body?.responses)) throw new GraphError(`status ${status} without answers`);
      const answers = new Map(body.responses.map((/** @type {any} */ answer) => [answer?.id, answer]));
      const again = [];
      let wait;
      for (const id of left) {
        const answer = answers.get(id);
        if (TRY_AGAIN.includes(answer?.status)) {
          again.push(id);
          wait = latest(wait, retryAfterOf(answer.headers));
        } else groups.push(groupOf(id, answer));
      }
      if (again.length === 0) return groups;
      await this.#pause(
        attempt,
        wait,
        `${again.length} groups were not answered, status ${answers.get(again[0])?.status}`,
      );
      left = again;
    }
  }

  /** @param {'GET' | 'POST'} method @param {string} path @param {object} [body] @returns {Promise<Answer>} */
  async #ask(method, path, body) {
    const { client, policy, graphBase } = this.#given;
    for (let attempt = 0; ; attempt += 1) {
      const args = { token: this.#graphToken, method, path, graphBase, ...(body && { body }) };
      const answer = await client().graph(policy, args);
      if (!answer.ok) throw new GraphError(`${answer.code}: ${answer.message}`);
      if (!TRY_AGAIN.includes(answer.status)) return answer;
      await this.#pause(attempt, answer.retryAfter, `status ${answer.status}`);
    }
  }

  /** @param {number} attempt @param {number | undefined} retryAfter seconds @param {string} what */
  async #pause(attempt, retryAfter, what) {
    const usual = PAUSES[attempt];
    if (usual === undefined) throw new GraphError(`${what} after ${attempt + 1} tries`);
    const wait = retryAfter === undefined ? usual : retryAfter * 1_000;
    this.#waited += wait;
    // Asking earlier than `Retry-After` says would only make it worse.
    if (this.#waited > MOST_WAITING)
      throw new GraphError(`${what}, and would have to wait longer than ${MOST_WAITING / 1_000} s`);
    await this.#given.sleep(wait);
  }
}

/** @param {string} id @param {any} answer @returns {Group} */
function groupOf(id, answer) {
  const { id: answered, displayName, mail, description } = answer?.body ?? {};
  if (answer?.status !== 200 || answered !== id)
    throw new GraphError(`group details with status ${answer?.status ?? 'none'}`);
  return {
    id,
    name: text(displayName) ?? id,
    ...(text(mail) !== undefined && { email: text(mail)?.toLowerCase() }),
    ...(text(description) !== undefined && { description: text(description) }),
  };
}

/** @param {unknown} value */
function text(value) {
  return (typeof value === 'string' && value.trim().slice(0, 1_024)) || undefined;
}

/** Seconds; a date is not looked at. @param {any} headers @returns {number | undefined} */
function retryAfterOf(headers) {
  const name = Object.keys(Object(headers)).find((header) => header.toLowerCase() === 'retry-after');
  const seconds = name === undefined ? NaN : Number(headers[name]);
  return seconds >= 0 ? seconds : undefined;
}

/** @param {number | undefined} a @param {number | undefined} b */
function latest(a, b) {
  return a === undefined || b === undefined ? (a ?? b) : Math.max(a, b);
}

/** What Graph did not give; for the log. */
class GraphError extends Error {
  name = 'GraphError';
}

module.exports = { GraphGroups };
