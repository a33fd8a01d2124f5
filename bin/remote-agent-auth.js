#!/usr/bin/env node
'use strict';

const { doctor } = require('../lib/operations/doctor-command');

const [command, ...args] = process.argv.slice(2);

if (command === 'doctor') {
  doctor(args).then((code) => {
    process.exitCode = code;
  });
} else if (command === 'issuer') {
  const { issuer } = require('../lib/testing/issuer-command');
  issuer(args).then(({ code }) => {
    process.exitCode = code;
  });
} else {
  console.error('Usage: npx remote-agent-auth doctor|issuer [--help]');
  process.exitCode = 2;
}
