'use strict';

// jest resolves modules by a native file of its own, of which node_modules has that for this machine alone. For the Node of another
// platform it is installed apart.

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const ROOT = path.join(__dirname, '..', '..');

/**
 * @param {string} platform
 * @returns {Record<string, string>} the environment by which the loader of that file finds it; its own look at the system sees the C
 *   library of the machine, not of the Node
 */
function resolverFor(platform) {
  const folder = path.join(ROOT, 'target', 'tools', `resolver-${platform}`);
  const name = `@unrs/resolver-binding-${platform}`;
  const { optionalDependencies } = require(require.resolve('unrs-resolver/package.json', { paths: [ROOT] }));
  if (!fs.existsSync(path.join(folder, 'node_modules', name))) {
    fs.mkdirSync(folder, { recursive: true });
    fs.writeFileSync(path.join(folder, 'package.json'), '{ "private": true }\n');
    const args = [
      'install',
      '--force',
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
      '--loglevel=error',
      `${name}@${optionalDependencies[name]}`,
    ];
    execFileSync('npm', args, { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
  }
  return { NAPI_RS_NATIVE_LIBRARY_PATH: path.join(folder, 'node_modules', name, `resolver.${platform}.node`) };
}

module.exports = { resolverFor };
