'use strict';

/**
 * Whether anything is known of a source. A token nobody has signed makes a place for its issuer's keys before they are asked for: that
 * place says nothing of the provider.
 * @param {{ keys?: readonly unknown[], refreshes?: { begun: number } }} source of a host's own verifier parts may be missing
 */
function isKnown({ keys = [], refreshes }) {
  return keys.length > 0 || refreshes?.begun !== 0;
}

module.exports = { isKnown };
