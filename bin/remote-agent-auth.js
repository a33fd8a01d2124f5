#!/usr/bin/env node
'use strict';

const { doctor } = require('../lib/operations/doctor-command');

const [command, ...args] = process.argv.slice(2);

if (command === 'doctor') {
  doctor(args).then((code) => {
    process.exitCode = code;
  });
} else {
  console.error('Usage: npx remote-agent-auth doctor [--help]');
  process.exitCode = 2;
}
