'use strict';

// The packed packages, installed by npm in an empty project outside this checkout: from the tarballs alone, offline, with no compiler on
// the PATH. Platform packages are offered all at once, so that npm has to choose by `os`, `cpu` and `libc`, as it does for a user.

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { pathWithoutCompilers } = require('./newcomer');

/**
 * @typedef {object} Installation
 * @property {string} folder of the project
 * @property {string} main folder of the installed main package
 * @property {string[]} platforms the platform packages npm chose
 * @property {NodeJS.ProcessEnv} env with neither compilers nor anything of npm's own
 * @property {() => void} remove
 */

/** npm as a script, which needs no shell to be run. */
function npmScript() {
  if (process.env.npm_execpath?.endsWith('.js')) return process.env.npm_execpath;
  const [command] = execFileSync(process.platform === 'win32' ? 'where' : 'which', ['npm'], { encoding: 'utf8' }).split(
    '\n',
  );
  const resolved = fs.realpathSync(String(command).trim());
  if (resolved.endsWith('.js')) return resolved;
  return path.join(path.dirname(resolved), 'node_modules', 'npm', 'bin', 'npm-cli.js');
}

/** The environment without what `npm run` has put there. */
function plainEnvironment() {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_OPTIONS$|REMOTE_AGENT_AUTH_)/i.test(name)),
  );
}

/** @param {string} tarball @returns {string} the name of the package in it */
function nameOf(tarball) {
  return JSON.parse(execFileSync('tar', ['-xzOf', tarball, 'package/package.json'], { encoding: 'utf8' })).name;
}

/**
 * @param {string[]} tarballs the main one and any number of platforms
 * @param {{ flags?: string[] }} [how] flags for npm
 * @returns {Installation}
 */
function install(tarballs, { flags = [] } = {}) {
  const scratch = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'installed-')));
  const folder = path.join(scratch, 'project');
  fs.mkdirSync(folder);
  const env = { ...plainEnvironment(), PATH: pathWithoutCompilers(path.join(scratch, 'compilers')) };
  const named = tarballs.map((file) => [nameOf(file), `file:${path.resolve(file)}`]);
  const manifest = {
    name: 'empty-project',
    private: true,
    dependencies: Object.fromEntries(named.filter(([name]) => name === 'remote-agent-auth')),
    optionalDependencies: Object.fromEntries(named.filter(([name]) => name !== 'remote-agent-auth')),
  };
  fs.writeFileSync(path.join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  const args = [npmScript(), 'install', '--offline', '--no-audit', '--no-fund', '--loglevel=error', ...flags];
  execFileSync(process.execPath, args, { cwd: folder, env, stdio: ['ignore', 'ignore', 'inherit'] });
  const modules = path.join(folder, 'node_modules');
  return {
    folder,
    main: path.join(modules, 'remote-agent-auth'),
    platforms: fs.readdirSync(modules).flatMap((name) => /^remote-agent-auth-(.+)$/.exec(name)?.[1] ?? []),
    env,
    remove: () => fs.rmSync(scratch, { recursive: true, force: true }),
  };
}

module.exports = { install };
