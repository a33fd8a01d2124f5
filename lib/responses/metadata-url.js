'use strict';

const { isAsynchronous } = require('./asynchronous');
const { isUrlText } = require('./challenge');

/** @param {unknown} value the option `resourceMetadata` @returns {boolean} */
function isMetadataSetting(value) {
  return typeof value === 'function' || isUrlText(value);
}

const WRONG_METADATA = 'resourceMetadata must be a URL, or a function that gives one';

/**
 * What `resource_metadata` of a challenge is (RFC 9728 5.1). A function that fails, or gives a promise, costs the challenge that parameter and
 * nothing else; what it gives is checked where the challenge is written.
 * @template Req
 * @param {string | ((req: Req) => string | undefined) | undefined} setting
 * @param {Req} req
 * @returns {string | undefined}
 */
function metadataUrl(setting, req) {
  if (typeof setting !== 'function') return setting;
  try {
    const url = setting(req);
    return isAsynchronous(url) ? undefined : url;
  } catch {
    return undefined;
  }
}

module.exports = { WRONG_METADATA, isMetadataSetting, metadataUrl };
