'use strict';

// The shape of the tokens that each provider issues, by kind, as it documents them.

const { DIRECTORIES } = require('./directory-presets');
const { PLATFORMS } = require('./platform-presets');

/**
 * @typedef {{ header?: Record<string, unknown>, claims: Record<string, unknown>, host?: string, path?: string }} Kind
 * `host` and `path`: of an issuer other than the preset's; `undefined` in header or claims: the token does not have it
 * @typedef {{ host: string, path: string, audience: string, scope?: string, kinds: Record<string, Kind> }} Preset
 * `host` and `path`: the issuer's at the provider; here it has the path alone. The first kind is the usual one.
 */

/** @type {Record<string, Preset>} */
const PRESETS = { ...DIRECTORIES, ...PLATFORMS };

module.exports = { PRESETS };
