'use strict';

const { notUnderstood, wrongProxyVariables } = require('./proxy');

/** What was said in this process already: a middleware may be made for each request. @type {Set<string>} */
const said = new Set();
/** The most entries of one list that are named. */
const MOST_NAMED = 20;

/**
 * Says once, at the start, what of the environment's network settings does not do what it seems to.
 * @param {import('../middleware/log').Log} log
 * @param {unknown} [bypass] of the middleware's own policy options, where it has any
 */
function warnOfNetworkSettings(log, bypass) {
  const { env } = process;
  /** @param {string} text */
  const once = (text) => {
    if (said.has(text) || said.size > 1000) return;
    said.add(text);
    log.warn(text);
  };
  if (env.NODE_TLS_REJECT_UNAUTHORIZED === '0') {
    once(
      "NODE_TLS_REJECT_UNAUTHORIZED=0 is not honoured: certificates are always checked. Add the provider's CA by `ca` or NODE_EXTRA_CA_CERTS",
    );
  }
  for (const name of wrongProxyVariables(env)) {
    once(
      `${name} is no http or https URL, so every token is refused until it is one, or the option \`policy: { proxy }\` says otherwise`,
    );
  }
  const lists = {
    NO_PROXY: env.no_proxy ?? env.NO_PROXY,
    'proxy.bypass': typeof bypass === 'string' ? bypass : undefined,
  };
  for (const [name, list] of Object.entries(lists)) {
    for (const entry of notUnderstood(list).slice(0, MOST_NAMED)) {
      once(
        `the entry ${JSON.stringify(shown(entry, String(list)).slice(0, 200))} of ${name} is not understood and fits no host; expected a host name, an address or a range like 10.0.0.0/8`,
      );
    }
  }
}

/**
 * An entry as it may be logged: a proxy's URL put in the wrong variable has a password in it, which a comma may have cut in two.
 * @param {string} entry
 * @param {string} list
 */
function shown(entry, list) {
  if (!list.includes('@')) return entry;
  return entry.includes('@') ? entry.replace(/^([a-z][a-z\d+.-]*:\/\/)?.*@/is, '$1***@') : '***';
}

module.exports = { warnOfNetworkSettings };
