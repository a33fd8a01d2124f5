'use strict';

// `npm run providers`: Keycloak and Ory Hydra, fetched from the registries of their makers' packages and started on loopback, and what
// becomes of their tokens here. Prints a table, or `-- --json`; fails when a row does. `-- --long` rotates keys 8 times at 75 s. A provider
// that cannot be had (no Java, no Go, nothing fetched) is skipped with a line that says so.

const { inspect } = require('node:util');
const { setUp, SetupError } = require('../build/setup.js');
const { Missing } = require('./fetched');
const { parseOptions } = require('./options');
const { closingLine, skipLine, table } = require('./table');

const NAMES = { keycloak: 'Keycloak', hydra: 'Ory Hydra' };

const say = (/** @type {string} */ line) => process.stderr.write(`${line}\n`);

async function main() {
  const options = parseOptions(process.argv.slice(2));
  await setUp();
  /** @type {Record<string, (options: import('./options').Options, say: (line: string) => void) => Promise<import('./table').Row[]>>} */
  const checks = { keycloak: require('./keycloak').keycloakRows, hydra: require('./hydra').hydraRows };
  /** @type {import('./table').Row[]} */
  const rows = [];
  /** @type {import('./table').Skipped[]} */
  const skipped = [];
  for (const name of /** @type {('keycloak' | 'hydra')[]} */ (options.only)) {
    const provider = NAMES[name];
    try {
      say(`providers  ${provider}`);
      rows.push(
        ...(await /** @type {any} */ (checks)[name](options, (/** @type {string} */ line) =>
          say(`providers  ${provider} ${line}`),
        )),
      );
    } catch (error) {
      if (!(error instanceof Missing)) throw error;
      skipped.push({ provider, why: error.message });
      say(skipLine({ provider, why: error.message }));
    }
  }
  if (options.json) console.log(JSON.stringify(rows, null, 2));
  else
    console.log(
      [table(rows), ...skipped.map(skipLine), closingLine(rows, skipped)].filter((line) => line !== '').join('\n'),
    );
  process.exitCode = rows.every(({ ok }) => ok) ? 0 : 1;
}

main().catch((error) => {
  say(`providers failed: ${error instanceof SetupError ? error.message : inspect(error)}`);
  // Not by itself: a load that was under way when something failed would continue for ever.
  process.exit(1);
});
