'use strict';

const { wrongOption } = require('../verifier/errors');
const { didYouMean } = require('../policy/nearest');
const { ACCOUNT_KEYS } = require('../policy/oidc-config');

/**
 * What is to be done about accounts, all of it off where nothing is said.
 * `key`: the same text for the same settings.
 * @typedef {{
 *   key: string,
 *   provisioning: boolean,
 *   profile: { onCreate: boolean, forExisting: boolean },
 *   groups: { onCreate: boolean, forExisting: boolean, source: 'graph' | 'token', graphBase: string, claim: string, budgetMs: number },
 *   userInfo: { fetch: boolean, require: boolean, hosts: readonly string[] },
 *   cache: { enabled: boolean, ttlSeconds: number, secret?: string },
 * }} Plan
 *
 * @typedef {Record<string, any>} Blocks as configured, of any type
 */

/** Seconds; LibreChat's. */
const DEFAULT_TTL = 300;
/** Seconds: beyond a day an account that changed would not be noticed. */
const LONGEST_TTL = 86_400;
/** Milliseconds a request waits for the groups; they are read to the end all the same. */
const DEFAULT_BUDGET = 2_000;
const LONGEST_BUDGET = 60_000;
/** What 256 bits need in base64. */
const SHORTEST_SECRET = 32;
const MOST_HOSTS = 20;
/**
 * Microsoft Graph of each of Microsoft's clouds: the global one, the US government's (L4, and L5 of its Department of Defense), and China's,
 * which 21Vianet operates. A closed list: whoever writes the `oidc` block of a tenant must not be able to send a token of Graph elsewhere.
 */
const GRAPH_BASES = [
  'https://graph.microsoft.com',
  'https://graph.microsoft.us',
  'https://dod-graph.microsoft.us',
  'https://microsoftgraph.chinacloudapi.cn',
];

/** @typedef {(value: unknown) => boolean} Check */
/** @type {Check} */
const isBoolean = (value) => typeof value === 'boolean';
/** @param {number} from @param {number} to @returns {Check} */
const isNumberIn = (from, to) => (value) => typeof value === 'number' && value >= from && value <= to;
/** @type {Check} */
const isHosts = (value) =>
  Array.isArray(value) &&
  value.length <= MOST_HOSTS &&
  value.every((host) => typeof host === 'string' && /^[^\s/@]+$/.test(host));

/** What each key may be, and how that is said. @type {Record<string, Record<string, [Check, string]>>} */
const BLOCKS = {
  provisioning: { enabled: [isBoolean, 'true or false'] },
  profileSync: { onCreate: [isBoolean, 'true or false'], forExisting: [isBoolean, 'true or false'] },
  groupSync: {
    onCreate: [isBoolean, 'true or false'],
    forExisting: [isBoolean, 'true or false'],
    source: [(value) => value === 'graph' || value === 'token', "'graph' or 'token'"],
    graphBase: [(value) => GRAPH_BASES.some((base) => base === value), `one of ${GRAPH_BASES.join(', ')}`],
    claim: [(value) => typeof value === 'string' && value.trim() !== '', 'the path of a claim'],
    budgetMs: [isNumberIn(0, LONGEST_BUDGET), `a number of milliseconds from 0 to ${LONGEST_BUDGET}`],
  },
  userInfo: {
    fetch: [isBoolean, 'true or false'],
    require: [isBoolean, 'true or false'],
    hosts: [isHosts, `a list of at most ${MOST_HOSTS} of "host" or "host:port"`],
  },
  federatedAuthCache: {
    enabled: [isBoolean, 'true or false'],
    ttlSeconds: [isNumberIn(0, LONGEST_TTL), `a number of seconds from 0 to ${LONGEST_TTL}`],
    secret: [
      (value) => typeof value === 'string' && value.length >= SHORTEST_SECRET,
      `a text of at least ${SHORTEST_SECRET} characters`,
    ],
  },
};

/** Plans by the text of what they were read from: one for each configuration, and configurations are few. @type {Map<string, Plan | undefined>} */
const known = new Map();
const MOST_KNOWN = 1_000;

/**
 * The plan of some blocks. The same blocks lead to the same object.
 * @param {Blocks} blocks
 * @param {string} where they stand: `oidc`, or `the option accounts`
 * @returns {Plan | undefined} undefined where everything is off
 * @throws {RemoteAuthError} ERR_POLICY_OPTION naming the first wrong key: nothing of such blocks counts
 */
function readAccounts(blocks, where) {
  const key = textOf(blocks, where);
  if (known.has(key)) return known.get(key);
  // The host may change its object; what was read is what counts.
  const plan = planOf(JSON.parse(key), key, where);
  if (known.size >= MOST_KNOWN) known.clear();
  known.set(key, plan);
  return plan;
}

/** @param {Blocks} blocks @param {string} where @returns {string} */
function textOf(blocks, where) {
  try {
    return JSON.stringify(blocks);
  } catch {
    throw wrongOption(`${where} has a value that is no plain data`);
  }
}

/** @param {Blocks} blocks @param {string} key @param {string} where @returns {Plan | undefined} */
function planOf(blocks, key, where) {
  for (const name of Object.keys(blocks)) checkBlock(name, blocks[name], where);
  const {
    provisioning = {},
    profileSync = { onCreate: true },
    groupSync = {},
    userInfo = {},
    federatedAuthCache = {},
  } = blocks;
  const plan = {
    key,
    provisioning: provisioning.enabled === true,
    profile: { onCreate: profileSync.onCreate === true, forExisting: profileSync.forExisting === true },
    groups: {
      onCreate: groupSync.onCreate === true,
      forExisting: groupSync.forExisting === true,
      source: groupSync.source ?? 'graph',
      graphBase: groupSync.graphBase ?? GRAPH_BASES[0],
      claim: groupSync.claim?.trim() ?? 'groups',
      budgetMs: groupSync.budgetMs ?? DEFAULT_BUDGET,
    },
    userInfo: {
      fetch: userInfo.fetch === true,
      require: userInfo.require === true,
      hosts: Object.freeze(userInfo.hosts ?? []),
    },
    cache: {
      enabled: federatedAuthCache.enabled === true && federatedAuthCache.ttlSeconds !== 0,
      ttlSeconds: federatedAuthCache.ttlSeconds ?? DEFAULT_TTL,
      secret: federatedAuthCache.secret,
    },
  };
  // Somebody who wants userinfo required must not go on without it because of a missing line.
  if (plan.userInfo.require && !plan.userInfo.fetch)
    throw wrongOption(`${where}: userInfo.require needs userInfo.fetch: true`);
  return isOn(plan) ? plan : undefined;
}

/** @param {string} name @param {any} block @param {string} where */
function checkBlock(name, block, where) {
  const keys = BLOCKS[name];
  if (keys === undefined) throw wrongOption(`${where}: unknown key "${name}"${didYouMean(name, ACCOUNT_KEYS)}`);
  if (typeof block !== 'object' || block === null || Array.isArray(block))
    throw wrongOption(`${where}: ${name} must be an object`);
  for (const [key, value] of Object.entries(block)) {
    const rule = keys[key];
    if (rule === undefined)
      throw wrongOption(`${where}: unknown key "${name}.${key}"${didYouMean(key, Object.keys(keys))}`);
    const [isRight, what] = rule;
    if (!isRight(value)) throw wrongOption(`${where}: ${name}.${key} must be ${what}`);
  }
}

/** @param {Plan} plan */
function isOn({ provisioning, profile, groups, userInfo, cache }) {
  return provisioning || profile.forExisting || groups.forExisting || userInfo.fetch || cache.enabled;
}

/**
 * @typedef {import('../../index').RemoteAgentAuthOptions['accounts']} AccountsOption
 * @typedef {import('../policy/oidc-config').OidcFields} OidcFields
 */

const OPTION = 'createRemoteAgentAuth: the option accounts';

/**
 * What the option `accounts` and the configuration's `oidc` block say together; a block of the option takes the place of the same
 * block of the configuration.
 * @param {AccountsOption} option an object, or a synchronous function asked for each request
 * @returns {(blocks: Blocks | undefined, fields: OidcFields, tenantId: string | undefined) => Plan | undefined}
 * @throws {RemoteAuthError} ERR_POLICY_OPTION, at once for an object, when asked for a function's result
 */
function createPlanReader(option) {
  if (option === undefined) return (blocks) => (blocks === undefined ? undefined : readAccounts(blocks, 'oidc'));
  const isFunction = typeof option === 'function';
  const fixed = isFunction ? undefined : Object.freeze({ ...checked(option) });
  const alone = fixed && readAccounts(fixed, OPTION);
  return (blocks, fields, tenantId) => {
    if (!isFunction && blocks === undefined) return alone;
    const own = isFunction ? checked(option(Object.freeze({ ...fields }), { tenantId }) ?? {}) : fixed;
    // Each is checked where it stands, so that the error names the place.
    if (blocks !== undefined) readAccounts(blocks, 'oidc');
    readAccounts(own ?? {}, OPTION);
    return readAccounts({ ...blocks, ...own }, OPTION);
  };
}

/** @param {any} blocks @returns {Blocks} */
function checked(blocks) {
  if (typeof blocks !== 'object' || blocks === null || Array.isArray(blocks)) {
    throw wrongOption(`${OPTION} must be an object, or a function that returns one`);
  }
  // An unfinished answer would be everything off.
  if ('then' in blocks) throw wrongOption(`${OPTION} must not be asynchronous`);
  return blocks;
}

module.exports = { createPlanReader, readAccounts };
