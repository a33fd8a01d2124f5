'use strict';

const { printableUrl } = require('../events/printable');
const { KNOWN_KEYS } = require('../policy/oidc-config');
const { codes } = require('../verifier/codes');
const { didYouMean } = require('../policy/nearest');
const { getOpenIdRoleSyncOptions, isRoleSyncOff } = require('./role-sync');

/**
 * @typedef {import('../verifier/errors').RemoteAuthError} RemoteAuthError
 * @typedef {import('./log').Log} Log
 * @typedef {{ add(text: string): boolean }} Said lines that are not logged again: `add` says whether the line is new
 * @typedef {ReturnType<typeof createWarnings>} Warnings
 */

/**
 * Log lines for the operator, beside the one about each request: once for each cause, or once a minute.
 * @param {{ log: Log, said: Said, mayWarn?: (cause: string) => boolean }} to `mayWarn`: whether one that comes again may be logged now
 */
function createWarnings({ log, said, mayWarn = () => true }) {
  return {
    /** At the factory: without it the first sign would be a caller's 500. @param {boolean} canReadRoles */
    ofRoleSync(canReadRoles) {
      if (isRoleSyncOff()) return;
      try {
        const { apiEnabled } = getOpenIdRoleSyncOptions();
        if (!apiEnabled || canReadRoles || !said.add('deps.getRolesByNames')) return;
        log.error(
          'OpenID role sync is on, but deps.getRolesByNames is missing: every request with a known user will fail',
        );
      } catch (error) {
        if (!said.add(`role sync: ${/** @type {Error} */ (error).message}`)) return;
        log.error('OpenID role sync is misconfigured: every request with a known user will fail', error);
      }
    },

    /** @param {string} key of the host's `oidc` block */
    ofUnknownKey(key) {
      if (!said.add(`oidc.${key}`)) return;
      log.warn(`the key "${key}" in the oidc block is unknown and ignored${didYouMean(key, KNOWN_KEYS)}`);
    },

    /** Once for each issuer. @param {string | undefined} configured */
    ofIdToken(configured = 'unknown') {
      const issuer = printableUrl(configured);
      if (!said.add(`ID token of ${issuer}`)) return;
      log.warn(
        `a token of ${issuer} that looks like an ID token was accepted, because its audience is the configured one; ` +
          "the option policy: { typ: 'preferred' } refuses such tokens",
      );
    },

    /** Once for each issuer. @param {string | undefined} configured */
    ofBoundToken(configured = 'unknown') {
      const issuer = printableUrl(configured);
      if (!said.add(`bound token of ${issuer}`)) return;
      log.warn(
        `a token of ${issuer} that is bound to a key of its holder (cnf: DPoP or a client certificate) was accepted without a proof ` +
          'of that key; the option policy: { requireUnbound: true } refuses such tokens',
      );
    },

    /**
     * A fault of the configuration or the provider, while API keys are tried instead: the line about the caller is seen at debug alone.
     * @param {unknown} issuer
     * @param {unknown} error
     */
    ofOwnFault(issuer, error) {
      const { code, fault, reason, host } = /** @type {Partial<RemoteAuthError>} */ (error ?? {});
      if (fault !== 'config' && fault !== 'upstream') return;
      const name = printableUrl(String(issuer));
      if (!mayWarn(JSON.stringify([code, reason, host, name]))) return;
      const action = code === undefined ? '' : ` ${codes[code]?.action ?? ''}`;
      if (code === 'ERR_KEY_NOT_ASKED') {
        // The provider is well, and tokens of known keys pass.
        log.warn(
          `some tokens of issuer ${name} cannot be checked yet, API keys are tried instead: their keys are unknown, and the provider is asked for such keys no more often.${action}`,
          error,
        );
        return;
      }
      const whose = fault === 'config' ? 'the configuration is wrong' : 'the provider does not answer as it should';
      log.warn(`no token of issuer ${name} can be checked, API keys are tried instead: ${whose}.${action}`, error);
    },
  };
}

module.exports = { createWarnings };
