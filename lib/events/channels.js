'use strict';

const { channel } = require('node:diagnostics_channel');

/** @typedef {import('node:diagnostics_channel').Channel} Channel */

/**
 * Subscribes one of our own listeners. `diagnostics_channel` throws what a listener throws where nobody catches it, which ends the
 * process: a meter, a tracer or a console that fails must not. The first failure is a warning of the process, without the error's text.
 * @param {Channel} channel
 * @param {(message: any) => void} listener
 * @returns {() => void} ends it
 */
function listen(channel, listener) {
  let isSaid = false;
  const guarded = (/** @type {unknown} */ message) => {
    try {
      listener(message);
    } catch {
      if (isSaid) return;
      isSaid = true;
      process.emitWarning(`a listener of ${String(channel.name)} fails; requests are decided as without it`, {
        code: 'REMOTE_AGENT_AUTH_LISTENER',
      });
    }
  };
  channel.subscribe(guarded);
  return () => void channel.unsubscribe(guarded);
}

/**
 * What is published, and where. Whoever publishes asks `hasSubscribers` before it makes an event: with nobody listening, that check
 * is the only cost.
 */
module.exports = {
  listen,
  decisions: channel('remote-agent-auth:decision'),
  keys: channel('remote-agent-auth:keys'),
  accounts: channel('remote-agent-auth:account'),
  shadows: channel('remote-agent-auth:shadow'),
};
