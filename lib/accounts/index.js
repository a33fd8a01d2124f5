'use strict';

// The account of a verified token, where the configuration asks for more than looking it up: what the middlewares of one host share,
// and the way of each request.

const { AccountFlow } = require('./account-flow');
const { FederatedCache } = require('./federated-cache');
const { createGroupSync } = require('./group-sync');
const { callTimeout, forUserinfo } = require('./provider');
const { SharedFlights } = require('./shared-flights');
const { createUserinfo } = require('./userinfo');

/**
 * @typedef {import('./account-flow').Surroundings} Surroundings
 * @typedef {import('./account-flow').Request} Request
 */

/**
 * What middlewares of one host have together, by its users and its store: some hosts make a middleware for every request.
 * @typedef {{ cache: FederatedCache, flights: SharedFlights<import('./resolution').Account>, groups: ReturnType<typeof createGroupSync> }} Shared
 * @type {WeakMap<Function, WeakMap<object, Shared>>}
 */
const byHost = new WeakMap();
/** In place of a store that is not given. */
const OWN_STORE = {};

/** @returns {import('./provider').Client} */
function nativeClient() {
  return require('../verifier/provider-client').createProviderClient({ timeoutMs: callTimeout() });
}

/** @type {ReturnType<typeof createUserinfo> | undefined} of the process, as the policies it is kept by are */
let processUserinfo;

/**
 * @param {Surroundings} surroundings
 * @returns {(request: Request) => Promise<import('./account-flow').Result>}
 */
function createAccounts(surroundings) {
  const { deps, log, client } = surroundings;
  const userinfo = client === undefined ? (processUserinfo ??= userinfoOver(nativeClient)) : userinfoOver(client);
  const shared = sharedBy(deps, { log, client: client ?? nativeClient });
  const flow = new AccountFlow(surroundings, { shared, userinfo });
  return (request) => flow.settle(request);
}

/**
 * @param {import('../../index').RemoteAgentAuthDeps} deps
 * @param {{ log: Surroundings['log'], client: () => import('./provider').Client }} parts used where nothing is shared yet
 * @returns {Shared}
 */
function sharedBy(deps, { log, client }) {
  const store = deps.federatedAuthStore;
  const byStore = byHost.get(deps.findUser) ?? new WeakMap();
  byHost.set(deps.findUser, byStore);
  const made = byStore.get(store ?? OWN_STORE) ?? {
    cache: new FederatedCache({ store, log }),
    flights: new SharedFlights(),
    groups: createGroupSync({ client }),
  };
  byStore.set(store ?? OWN_STORE, made);
  return made;
}

/** @param {() => import('./provider').Client} client */
function userinfoOver(client) {
  return createUserinfo({
    client,
    onBehalf: (policy, token, provider) => forUserinfo(client, policy, token, provider),
  });
}

module.exports = { createAccounts };
