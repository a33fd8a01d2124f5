'use strict';

/**
 * Whether LibreChat's configuration lets an address have an account: its `registration.allowedDomains`, where there are any.
 * @param {string} email
 * @param {any} config the host's
 */
function isInAllowedDomains(email, config) {
  const allowed = config?.registration?.allowedDomains;
  if (!Array.isArray(allowed) || allowed.length === 0) return true;
  const domain = email.slice(email.lastIndexOf('@') + 1).toLowerCase();
  return allowed.some((entry) => typeof entry === 'string' && entry.trim().toLowerCase() === domain);
}

/**
 * The configuration's list, and the host's own rule besides: neither opens what the other closes.
 * @param {((email: string, config: any) => unknown) | undefined} own
 * @param {any} config
 * @returns {(email: string) => Promise<boolean>}
 */
function domainRule(own, config) {
  return async (email) =>
    isInAllowedDomains(email, config) && (own === undefined || (await own(email, config)) === true);
}

module.exports = { domainRule };
