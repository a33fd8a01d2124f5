'use strict';

// The issuer's endpoints beside its keys, asked natively: userinfo, the on-behalf-of exchange, and Microsoft Graph. By the same
// transport as the keys: the policy's proxy, certificates and address policy. A user's token goes to nobody but whom
// src/provider/calls lets it.

const { wrongOption } = require('./errors');
const { providerCalls } = require('./native-check');

/**
 * @typedef {import('../../native').CompiledPolicy} CompiledPolicy
 *
 * @typedef {'unauthorized' | 'subject_mismatch' | 'service_error'} ProviderCallReason
 * `unauthorized`: the answer was 401 or 403 (userinfo and Graph; at the token endpoint that is about our own credentials, so
 * `service_error`). `subject_mismatch`: the userinfo is another subject's, or no one's. `service_error`: all else.
 *
 * @typedef {object} ProviderCallFailure what went wrong; for the operator's log. No part of a token or secret is in it.
 * @property {false} ok
 * @property {ProviderCallReason} reason
 * @property {string} code a stable code, `ERR_ENDPOINT_FETCH` for example
 * @property {string} message what happened and what to do
 * @property {string} [host] who was asked, or the proxy on the way there
 * @property {string} [connection] the word for what happened to the connection: `dns`, `refused`, `timeout-body`, `tls-expired`...
 * @property {number} [status] the HTTP status, where one came
 *
 * @typedef {object} UserinfoArguments
 * @property {string} token the access token; what is no RFC 6750 token is refused
 * @property {string} subject `sub` of the verified token; the answer's must equal it to the letter
 * @property {readonly string[]} [hosts] `host` or `host:port` (the scheme's port where none is written) that may be asked although
 *   they do not share the issuer's registrable domain
 * @property {number} [timeoutMs] the whole call, metadata included; see `createProviderClient`
 *
 * @typedef {object} ExchangeArguments
 * @property {string} token the assertion
 * @property {string} scope
 * @property {string} clientId
 * @property {string} clientSecret
 * @property {readonly string[]} [hosts] as for userinfo
 * @property {number} [timeoutMs]
 *
 * @typedef {object} GraphArguments
 * @property {string} token
 * @property {'GET' | 'POST'} method POST is for what only reads (`getMemberGroups`, `$batch` of GETs): a request whose kept
 *   connection had closed before any answer is sent once more
 * @property {string} path `/v1.0/...`, or an absolute URL of the same origin such as `@odata.nextLink`
 * @property {object} [body] sent as JSON
 * @property {string} [graphBase] the origin of another cloud; default `https://graph.microsoft.com`. The operator's word: never taken from an answer
 * @property {number} [timeoutMs]
 *
 * @typedef {object} ProviderClient
 * @property {(policy: CompiledPolicy, args: UserinfoArguments) => Promise<{ ok: true, claims: Record<string, unknown> } | ProviderCallFailure>} userinfo
 * @property {(policy: CompiledPolicy, args: ExchangeArguments) => Promise<{ ok: true, accessToken: string, expiresIn?: number } | ProviderCallFailure>} exchange
 *   `expiresIn` in seconds
 * @property {(policy: CompiledPolicy, args: GraphArguments) => Promise<{ ok: true, status: number, retryAfter?: number, body: unknown } | ProviderCallFailure>} graph
 *   any status but a redirect, 401 and 403 is `ok: true`; the body of one that is not 2xx may be null. `retryAfter` in seconds
 */

/** LibreChat's default for `REMOTE_AUTH_FETCH_TIMEOUT_MS`. */
const TIMEOUT_MS = 10_000;
/** The longest a call may take; what is asked to have no end, and what asks for more, gets this. */
const LONGEST_MS = 120_000;

/** 0 means no limit; what is no number of milliseconds is as if not there. @param {unknown} asked @param {number} otherwise */
function timeLimit(asked, otherwise) {
  if (typeof asked !== 'number' || !(asked >= 0)) return otherwise;
  return asked === 0 ? LONGEST_MS : Math.min(asked, LONGEST_MS);
}

/** @param {Record<string, unknown>} args @param {readonly string[]} names */
function refuseWhatIsNoText(args, names) {
  const wrong = names.find((name) => typeof args[name] !== 'string');
  if (wrong !== undefined) throw wrongOption(`\`${wrong}\` must be a string`);
}

/** @param {unknown} hosts @returns {string[]} */
function listOfHosts(hosts = []) {
  if (!Array.isArray(hosts) || hosts.some((host) => typeof host !== 'string')) {
    throw wrongOption('`hosts` must be a list of `host` or `host:port`');
  }
  return hosts;
}

/** What a request brings along: natively it is a POST if there is anything, even an empty text. @param {string} method @param {unknown} body */
function contentOf(method, body) {
  if (method !== 'GET' && method !== 'POST') throw wrongOption('`method` must be GET or POST');
  if (body === undefined) return method === 'POST' ? '' : undefined;
  if (method === 'GET' || typeof body !== 'object' || body === null)
    throw wrongOption('`body` must be an object, and of a POST');
  return JSON.stringify(body);
}

/**
 * A client of the issuer's endpoints. It has no state of its own: connections, metadata and limits are the process's. Arguments of
 * the wrong kind reject with `ERR_POLICY_OPTION`; whatever the network or the provider does comes back as a value.
 * @param {{ timeoutMs?: number }} [options] milliseconds for one call, 10000 where absent; 0, or more than 120000, is 120000
 * @returns {ProviderClient}
 */
function createProviderClient({ timeoutMs: usual } = {}) {
  const usually = timeLimit(usual, TIMEOUT_MS);
  return Object.freeze({
    /** @type {ProviderClient['userinfo']} */
    async userinfo(policy, args) {
      refuseWhatIsNoText({ ...args }, ['token', 'subject']);
      const { token, subject, hosts, timeoutMs } = args;
      const answer = await providerCalls.userinfo(
        policy,
        token,
        subject,
        listOfHosts(hosts),
        timeLimit(timeoutMs, usually),
      );
      return 'claims' in answer ? { ok: true, claims: JSON.parse(answer.claims) } : answer;
    },

    /** @type {ProviderClient['exchange']} */
    async exchange(policy, args) {
      refuseWhatIsNoText({ ...args }, ['token', 'scope', 'clientId', 'clientSecret']);
      const { token, scope, clientId, clientSecret, hosts, timeoutMs } = args;
      const limit = timeLimit(timeoutMs, usually);
      return providerCalls.exchange(policy, token, scope, clientId, clientSecret, listOfHosts(hosts), limit);
    },

    /** @type {ProviderClient['graph']} */
    async graph(policy, args) {
      refuseWhatIsNoText({ ...args }, ['token', 'method', 'path']);
      const { token, method, path, body, graphBase, timeoutMs } = args;
      if (graphBase !== undefined && typeof graphBase !== 'string') throw wrongOption('`graphBase` must be a string');
      const limit = timeLimit(timeoutMs, usually);
      const answer = await providerCalls.graph(policy, token, path, contentOf(method, body), graphBase, limit);
      return 'body' in answer ? { ...answer, body: JSON.parse(answer.body) } : answer;
    },
  });
}

module.exports = { createProviderClient };
