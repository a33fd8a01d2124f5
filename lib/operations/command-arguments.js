'use strict';

// The arguments that the commands have in common: which configuration is looked at.

const { parseArgs } = require('node:util');
const { UsageError, readFile } = require('./doctor-configuration');

/** @typedef {Record<string, { type: 'string' | 'boolean', multiple?: boolean }>} ArgumentTypes */

const CONFIGURATION = /** @type {const} */ ({
  issuer: { type: 'string' },
  audience: { type: 'string', multiple: true },
  'jwks-uri': { type: 'string' },
  scope: { type: 'string' },
  policy: { type: 'string' },
  help: { type: 'boolean' },
});

const CONFIGURATION_USAGE = `  FILE                  librechat.yaml (needs js-yaml, which LibreChat has) or the same as JSON; default: librechat.yaml here
  --issuer URL          instead of FILE, with
  --audience TEXT         the audience (may be repeated),
  --jwks-uri URL          the key URL, where discovery is not wanted,
  --scope "A B"           required scopes
  --policy FILE         JSON: what createRemoteAgentAuth is given as its option policy`;

/**
 * What is a token, or the header it is sent in, alone or as the value of an option. A word `Bearer` alone is one before the token.
 */
const SECRET =
  /^--token(=|$)|^(--[\w-]+=)?(authorization:|bearer\s|(authorization:\s*)?(bearer\s+)?eyJ[\w-]*\.)|^bearer$/i;

/**
 * @param {string[]} args
 * @param {ArgumentTypes} options beside those of the configuration
 * @returns {{ values: any, positionals: string[] }}
 * @throws {UsageError}
 */
function parse(args, options) {
  // Another process may list these arguments: a token is none of them, and is not repeated.
  if (args.some((arg) => SECRET.test(arg.trim()))) {
    throw new UsageError(
      'a token is given by --token-file, never as an argument, which other users of this machine can see',
    );
  }
  try {
    return parseArgs({ args, options: { ...CONFIGURATION, ...options }, allowPositionals: true });
  } catch (error) {
    throw new UsageError(`${/** @type {Error} */ (error).message.split('. ')[0]}; --help lists the options`);
  }
}

/**
 * How the configuration is read: a file anew each time, since it is being mended.
 * @param {{ values: any, positionals: string[] }} given
 * @returns {{ config: () => unknown, policy: () => any }}
 * @throws {UsageError}
 */
function configurationOf({ values, positionals }) {
  const { issuer, audience, scope, 'jwks-uri': jwksUri, policy } = values;
  if (positionals.length > 1) throw new UsageError(`one FILE at most, not ${positionals.length}`);
  if (issuer !== undefined && positionals.length > 0) throw new UsageError('either FILE or --issuer, not both');
  if (issuer === undefined && (audience ?? scope ?? jwksUri) !== undefined)
    throw new UsageError('--audience, --scope and --jwks-uri need --issuer');
  const oidc = { enabled: true, issuer, audience: audience?.length === 1 ? audience[0] : audience, jwksUri, scope };
  return {
    config: () =>
      issuer === undefined
        ? readFile(positionals[0] ?? 'librechat.yaml')
        : { endpoints: { agents: { remoteApi: { auth: { oidc } } } } },
    policy: () => (policy === undefined ? undefined : readFile(policy)),
  };
}

module.exports = { CONFIGURATION_USAGE, configurationOf, parse };
