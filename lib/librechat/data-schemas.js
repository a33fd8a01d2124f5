'use strict';

/**
 * What LibreChat's own packages offer, taken from them when first needed: never at load, and not at all where they are not
 * installed.
 * @typedef {{ run<T>(context: any, fn: () => T): T, getStore(): { tenantId?: string } | undefined }} TenantStorage
 * @typedef {{ logger?: any, tenantStorage?: TenantStorage, getTenantId?: () => string | undefined }} DataSchemas
 */

/** @type {DataSchemas | undefined} */
let loaded;

/** @returns {DataSchemas} empty where the package is not installed */
function dataSchemas() {
  loaded ??= load();
  return loaded;
}

/** @returns {DataSchemas} */
function load() {
  try {
    return require('@librechat/data-schemas');
  } catch (error) {
    const { code, message } = /** @type {NodeJS.ErrnoException} */ (error);
    // Of the package itself only: one that is there and broken must not go unnoticed, tenants hang on it.
    if (code === 'MODULE_NOT_FOUND' && message.includes("'@librechat/data-schemas'")) return {};
    throw error;
  }
}

/** @param {'debug' | 'info' | 'warn' | 'error'} level @returns {(...args: any[]) => unknown} */
const at =
  (level) =>
  (...args) => {
    const { logger } = dataSchemas();
    if (logger) return logger[level]?.(...args);
    return level === 'warn' || level === 'error' ? console[level](...args) : undefined;
  };

/** LibreChat's logger; where there is none, warnings and errors go to the console. */
const logger = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };

/** LibreChat's tenant storage; where there is none, nothing is ever in a tenant. */
const tenantStorage = {
  /** @template T @param {any} context @param {() => T} fn @returns {T} */
  run(context, fn) {
    const storage = dataSchemas().tenantStorage;
    return storage ? storage.run(context, fn) : fn();
  },
};

/** Whether there is a storage that keeps tenants apart. */
function hasTenantStorage() {
  return typeof dataSchemas().tenantStorage?.run === 'function';
}

/** @returns {string | undefined} */
function getTenantId() {
  const { getTenantId: get, tenantStorage: storage } = dataSchemas();
  return get ? get() : storage?.getStore()?.tenantId;
}

/** @template T @param {string} tenantId @param {() => T} fn @returns {T} */
function runInTenant(tenantId, fn) {
  return tenantStorage.run({ tenantId }, fn);
}

/**
 * LibreChat's counter and clock of user look-ups (`openid_user_lookup_total`, `openid_user_lookup_duration_seconds`).
 * @typedef {(result: string, seconds: number) => void} LookupRecorder
 * @type {LookupRecorder | null | undefined} null: there is none
 */
let recorder;

/**
 * Where the host's metrics are on, what records a look-up in them. A host without such a recorder has lost nothing.
 * @returns {LookupRecorder | undefined}
 */
function hostLookupRecorder() {
  if (!process.env.METRICS_SECRET) return undefined;
  return (result, seconds) => {
    recorder = recorder === undefined ? loadRecorder() : recorder;
    recorder?.(result, seconds);
  };
}

/** With the first look-up, when the host has loaded the package long since. @returns {LookupRecorder | null} */
function loadRecorder() {
  try {
    // @ts-expect-error It is published nowhere, and so has no types here.
    const { recordOpenIDUserLookup } = require('@librechat/api');
    return typeof recordOpenIDUserLookup === 'function' ? recordOpenIDUserLookup : null;
  } catch {
    return null;
  }
}

module.exports = { getTenantId, hasTenantStorage, hostLookupRecorder, logger, runInTenant, tenantStorage };
