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

module.exports = { readProxy };
