'use strict';

// The proxy settings of the environment, as LibreChat v0.8.7 reads them. Which request goes through
// which proxy is decided natively, per URL.

/**
 * @param {Record<string, string | undefined>} env
 * @returns {{ http?: string, https?: string, bypass?: string } | undefined} undefined without any proxy
 */
function readProxy(env) {
  const both = (env.PROXY || env.proxy)?.trim();
  const http = both || (env.http_proxy ?? env.HTTP_PROXY)?.trim() || undefined;
  const https = both || (env.https_proxy ?? env.HTTPS_PROXY)?.trim() || undefined;
  return http || https ? { http, https, bypass: env.no_proxy ?? env.NO_PROXY } : undefined;
}

/** What each setting of `readProxy` may be named in the environment, the one that counts first. */
const PROXY_VARIABLES = ['PROXY', 'proxy', 'http_proxy', 'HTTP_PROXY', 'https_proxy', 'HTTPS_PROXY'];

/**
 * The variables that name a proxy which cannot be one, among those that count.
 * @param {Record<string, string | undefined>} env
 * @returns {string[]} their names: what they hold may be a password
 */
function wrongProxyVariables(env) {
  const { http, https } = readProxy(env) ?? {};
  const wrong = [http, https].filter((url) => url !== undefined && !isProxyUrl(url));
  if (wrong.length === 0) return [];
  return PROXY_VARIABLES.filter((name) => wrong.includes(env[name]?.trim()));
}

/** As the policy reads it: without a scheme http is meant. @param {string} text */
function isProxyUrl(text) {
  const url = text.includes('://') ? text : `http://${text}`;
  return URL.canParse(url) && ['http:', 'https:'].includes(new URL(url).protocol);
}

const NAME = /^(\*|\*?\.?[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?)$/i;

/**
 * The entries of a bypass list that no host can fit: a range that is none, a URL, a wildcard within a name.
 * @param {string} [list]
 * @returns {string[]}
 */
function notUnderstood(list = '') {
  return [...new Set(list.split(/[,\s]+/).filter((entry) => entry !== '' && !isUnderstood(entry)))];
}

/** @param {string} entry */
function isUnderstood(entry) {
  const { isIPv4, isIPv6 } = require('node:net');
  const ended = /:(\d+)$/.exec(entry);
  const hasPort = ended !== null && !isIPv6(entry);
  if (hasPort && Number(ended[1]) > 65535) return false;
  const host = hasPort ? entry.slice(0, ended.index) : entry;
  const [network = '', bits] = host.replace(/[[\]]/g, '').split('/');
  const fits = (/** @type {number} */ most) => bits === undefined || (/^\d+$/.test(bits) && Number(bits) <= most);
  // A zone is this machine's own affair, and no URL has one (RFC 6874 is not the URL Standard's).
  if (isIPv6(network)) return fits(128) && !network.includes('%');
  if (isIPv4(network)) return fits(32);
  // What looks like an address and is none would be a name that nobody has.
  return NAME.test(host) && !/^\*?[\d.-]+$/.test(host);
}

module.exports = { notUnderstood, readProxy, wrongProxyVariables };
