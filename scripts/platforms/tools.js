'use strict';

// What is installed to build and run other platforms' files: from PyPI and Debian alone, each time said, and into target/tools where
// it can be.

const { spawnSync } = require('node:child_process');
const { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } = require('node:fs');
const path = require('node:path');
const { say, SetupError, root } = require('../build/setup.js');

const tools = path.join(root, 'target', 'tools');
const PYTHON_TOOLS = ['cargo-zigbuild==0.24.0', 'ziglang==0.17.1'];

/**
 * @param {string} what is shown
 * @param {string} command
 * @param {string[]} args
 * @param {string} [cwd]
 */
function install(what, command, args, cwd = root) {
  say(`install ${what}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const run = spawnSync(command, args, { cwd, env, encoding: 'utf8' });
  if (run.status === 0) return run.stdout;
  throw new SetupError(`${command} ${args.join(' ')} failed: ${run.error?.message ?? run.stderr}`);
}

/** @param {string[]} names Debian packages, installed into the system */
function installFromDebian(names) {
  install('the list of Debian packages', 'apt-get', ['update', '-qq']);
  install(`${names.join(', ')} from Debian, into the system`, 'apt-get', [
    'install',
    '-y',
    '-qq',
    '--no-install-recommends',
    ...names,
  ]);
}

/** A Python environment of our own, so that nothing goes into the system's. @returns {string} its folder */
function pythonEnvironment() {
  const folder = path.join(tools, 'python');
  if (!existsSync(path.join(folder, 'bin', 'pip'))) {
    mkdirSync(tools, { recursive: true });
    install(`a Python environment in ${path.relative(root, folder)}`, 'python3', ['-m', 'venv', folder]);
  }
  return folder;
}

/** zig, and cargo's way to it. @returns {string} the folder of their commands */
function installZig() {
  const folder = path.join(pythonEnvironment(), 'bin');
  const pip = path.join(folder, 'pip');
  const have = (spawnSync(pip, ['freeze'], { encoding: 'utf8' }).stdout ?? '').split('\n');
  if (!PYTHON_TOOLS.every((tool) => have.includes(tool))) {
    install(`${PYTHON_TOOLS.join(', ')} from PyPI, into ${path.relative(root, tools)}`, pip, [
      'install',
      '--quiet',
      ...PYTHON_TOOLS,
    ]);
  }
  return folder;
}

/**
 * Packages of Debian 13, fetched by apt with lists of its own, so that the system's stay as they are.
 * @param {string[]} names with their architecture, `musl:arm64`
 * @returns {string[]} the package files
 */
function fetchedFromDebian13(names) {
  const folder = path.join(tools, 'debian');
  for (const part of ['lists', 'archives']) mkdirSync(path.join(folder, part, 'partial'), { recursive: true });
  const format = ['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages', 'Component: main'];
  const site = install(`${names.join(', ')} of Debian 13, into ${path.relative(root, folder)}`, 'apt-get', format)
    .split('\n')
    .find((uri) => /\/debian\/?$/.test(uri));
  if (!site) throw new SetupError('This machine has no source of Debian packages, which the platforms to run need.');
  const source = path.join(folder, 'trixie.list');
  writeFileSync(source, `deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${site} trixie main\n`);
  const apart = [
    ...[`Dir::Etc::sourcelist=${source}`, 'Dir::Etc::sourceparts=-', `Dir::State::lists=${path.join(folder, 'lists')}`],
    ...[`Dir::Cache=${folder}`, 'APT::Architectures=amd64,arm64', 'APT::Sandbox::User=root'],
  ].flatMap((option) => ['-o', option]);
  const download = path.join(folder, names.join('-').replaceAll(':', '-'));
  rmSync(download, { recursive: true, force: true });
  mkdirSync(download, { recursive: true });
  install('  the list of its packages', 'apt-get', [...apart, 'update', '-qq']);
  install('  the packages', 'apt-get', [...apart, 'download', '-qq', ...names], download);
  return readdirSync(download).map((file) => path.join(download, file));
}

module.exports = {
  fetchedFromDebian13,
  install,
  installFromDebian,
  installZig,
  PYTHON_TOOLS,
  pythonEnvironment,
  tools,
};
