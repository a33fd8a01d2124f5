#!/usr/bin/env node
'use strict';

/** The commands by name, each loaded when it is asked for; each resolves to its exit code. */
/** @type {Record<string, (args: string[]) => Promise<number>>} */
const COMMANDS = {
  console: (args) =>
    require('../lib/operations/console-command')
      .consoleCommand(args)
      .then(({ code }) => code),
  doctor: (args) => require('../lib/operations/doctor-command').doctor(args),
  issuer: (args) =>
    require('../lib/testing/issuer-command')
      .issuer(args)
      .then(({ code }) => code),
};

const [name = '', ...args] = process.argv.slice(2);
const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;

if (command === undefined) {
  console.error(`Usage: npx remote-agent-auth ${Object.keys(COMMANDS).join('|')} [--help]`);
  process.exitCode = 2;
} else {
  command(args).then((code) => {
    process.exitCode = code;
  });
}
