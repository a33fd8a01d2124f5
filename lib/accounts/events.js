'use strict';

const { accounts: channel } = require('../events/channels');
const { notify } = require('../events/notify');
const { printable } = require('../events/printable');
const { pseudonym } = require('../events/pseudonym');

/**
 * @typedef {import('../../index').AccountEvent} AccountEvent
 */

/**
 * Reports to the host what became of an account. What its function does or throws does not affect the request.
 * @param {((event: AccountEvent) => unknown) | undefined} onAccount
 * @returns {(event: AccountEvent) => void}
 */
function createEvents(onAccount) {
  return (event) => {
    if (channel.hasSubscribers) channel.publish(published(event));
    notify(onAccount, event);
  };
}

/** Listeners of the channel need not be the host's own code: an account is a keyed hash there. @param {AccountEvent} event */
function published({ event, reason, userId, tenantId }) {
  return Object.freeze({
    time: Date.now(),
    event,
    ...(reason !== undefined && { reason }),
    ...(userId !== undefined && { userHash: pseudonym(String(userId)) }),
    ...(typeof tenantId === 'string' && { tenant: printable(tenantId) }),
  });
}

module.exports = { createEvents };
