'use strict';

// Preloaded by a test: the program it starts says which port it listens on, whatever framework does so.

const net = require('node:net');

const { emit } = net.Server.prototype;
net.Server.prototype.emit = function emitted(name, ...values) {
  const result = emit.call(this, name, ...values);
  if (name === 'listening') process.send?.(this.address().port);
  return result;
};
