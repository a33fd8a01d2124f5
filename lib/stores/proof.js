'use strict';

// What a replica puts into a shared store, with a proof that one of them made it: whoever can write to the store alone must not be
// able to make it up.

const { createHmac, timingSafeEqual } = require('node:crypto');

/**
 * @param {string} secret of all replicas
 * @param {string} purpose part of what is proved: a proof of one thing is none of another
 */
function proofs(secret, purpose) {
  /** @param {string} text */
  const proofOf = (text) => createHmac('sha256', secret).update(`${purpose} ${text}`).digest('base64url');
  return {
    /** @param {string} text @returns {string} with its proof behind the last dot */
    signed: (text) => `${text}.${proofOf(text)}`,

    /** @param {string} member @returns {string | undefined} its text, where the proof is right */
    proven(member) {
      const end = member.lastIndexOf('.');
      const text = member.slice(0, Math.max(0, end));
      const given = Buffer.from(member.slice(end + 1));
      const proof = Buffer.from(proofOf(text));
      return given.length === proof.length && timingSafeEqual(given, proof) ? text : undefined;
    },
  };
}

module.exports = { proofs };
