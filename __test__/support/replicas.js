'use strict';

// Replicas of a server as processes of their own: children that answer messages, the first of which says that they are ready.

const { fork } = require('node:child_process');

/** @param {string} file of the child @param {object} settings @returns what asks it, and what it is */
function startReplica(file, settings) {
  const child = fork(file, [JSON.stringify(settings)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const waiting = new Map();
  let last = 0;
  const answerOf = (id) => new Promise((resolve) => waiting.set(id, resolve));
  child.on('message', ({ id, answer }) => (waiting.get(id)?.(answer), waiting.delete(id)));
  const ready = answerOf(0);
  const ask = (action, argument) => {
    const id = (last += 1);
    child.send({ id, action, argument });
    return answerOf(id);
  };
  return { ask, child, ready };
}

module.exports = { startReplica };
