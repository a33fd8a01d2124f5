'use strict';

const { memoryStore } = require('./memory-store');
const { redisStore } = require('./redis-store');

/** @type {typeof import('../../stores').shareKeys} */
const shareKeys = (options) => require('./shared-keys').shareKeys(options);

/** @type {typeof import('../../stores').shareRevocations} */
const shareRevocations = (options) => require('./shared-revocations').shareRevocations(options);

/** @type {typeof import('../../stores')} */
module.exports = { memoryStore, redisStore, shareKeys, shareRevocations };
