'use strict';

// What the loader says in installations that really lack the native file, or have that of another platform.

const fs = require('node:fs');
const path = require('node:path');
const { install } = require('./installation');
const { run } = require('./entry-points');

const LOAD = `try { require('remote-agent-auth'); console.log('loaded'); } catch ({ code, message }) { console.log(code, message); }`;

/**
 * @param {import('./installation').Installation} installation
 * @param {string} node
 * @param {NodeJS.ProcessEnv} [more]
 */
async function outcome({ folder, env }, node, more = {}) {
  const { code, stdout, stderr } = await run(node, ['-e', LOAD], { cwd: folder, env: { ...env, ...more } });
  // A file that ends the process leaves nothing on stdout.
  return code === 0 ? stdout : `exit code ${code} ${stdout}${stderr}`;
}

/**
 * @param {import('./installation').Installation} installation of the platform of `node`
 * @param {string} node
 * @param {{ tarballs: string[], foreign: { name: string, file: string }[] }} given native files of other platforms
 * @returns {Promise<import('./entry-points').TrialResult>}
 */
async function refusals(installation, node, { tarballs, foreign }) {
  const problems = [];
  const bare = install(tarballs, { flags: ['--omit=optional'] });
  try {
    const said = await outcome(bare, node);
    if (!/^ERR_NATIVE_MISSING .*\n.*\n {2}Cause: optional packages were left out/.test(said))
      problems.push(`--omit=optional: ${said}`);
  } finally {
    bare.remove();
  }
  for (const { name, file } of foreign) {
    const copy = path.join(installation.folder, path.basename(file));
    fs.copyFileSync(file, copy);
    const said = await outcome(installation, node, { REMOTE_AGENT_AUTH_BINARY: copy });
    const cause = /Cause: (it is linked for the C library|it is a file for)/;
    if (!said.startsWith('ERR_NATIVE_FILE') || !cause.test(said)) problems.push(`${name}: ${said}`);
    fs.rmSync(copy);
  }
  const figure = `without the platform package (--omit=optional), and with the file of ${foreign.map(({ name }) => name).join(', ') || 'no other platform'}: refused with the cause`;
  return { ok: problems.length === 0, figure, detail: problems.join('\n') };
}

module.exports = { refusals };
