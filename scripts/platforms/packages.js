#!/usr/bin/env node
'use strict';

// npm/<platform>/: package.json and README.md of every platform package, from the table and package.json.
//   node scripts/platforms/packages.js           writes them
//   node scripts/platforms/packages.js --check   fails where one is missing, left over or different

const { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } = require('node:fs');
const path = require('node:path');
const { fileName, packageName, platforms } = require('./table.js');

/** @typedef {import('./table.js').Platform} Platform */

const ROOT = path.join(__dirname, '..', '..');

/** @param {Platform} platform */
function spoken({ os, cpu, libc, glibc }) {
  const system = { linux: 'Linux', darwin: 'macOS', win32: 'Windows' }[os];
  const library = libc === 'musl' ? ', musl' : libc ? `, glibc ${glibc} or newer` : '';
  return `${system} ${cpu}${library}`;
}

/**
 * @param {Platform} platform
 * @param {{ version: string, license: string, engines: object, repository?: object | string }} main package.json of the main package
 */
function manifestOf(platform, { version, license, engines, repository }) {
  const { name, os, cpu, libc } = platform;
  return {
    name: packageName(name),
    version,
    description: `The native file of remote-agent-auth for ${spoken(platform)}`,
    license,
    ...(repository && { repository }),
    os: [os],
    cpu: [cpu],
    ...(libc && { libc: [libc] }),
    main: fileName(name),
    files: [fileName(name), 'LICENSE', 'THIRD-PARTY-NOTICES.md'],
    engines,
  };
}

/** @param {Platform} platform */
const readmeOf = (platform) => `# ${packageName(platform.name)}

The native file of \`remote-agent-auth\` for ${spoken(platform)} (Rust target \`${platform.target}\`).

Install \`remote-agent-auth\`, not this package: npm then picks the one of your platform, in the very same version.
`;

/** @param {string} root @returns {Map<string, string>} what npm/ must hold, by path relative to the root */
function packageFiles(root) {
  const main = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  /** @type {Map<string, string>} */
  const files = new Map();
  for (const platform of platforms) {
    files.set(`npm/${platform.name}/package.json`, `${JSON.stringify(manifestOf(platform, main), null, 2)}\n`);
    files.set(`npm/${platform.name}/README.md`, readmeOf(platform));
  }
  return files;
}

/** @param {string} root @returns {string[]} what is not as the table says; empty when all is well */
function problemsIn(root) {
  const wrong = [...packageFiles(root)].flatMap(([file, text]) => {
    const found = path.join(root, file);
    if (!existsSync(found)) return [`${file} is missing`];
    return readFileSync(found, 'utf8') === text ? [] : [`${file} is not as the table says`];
  });
  const folders = existsSync(path.join(root, 'npm')) ? readdirSync(path.join(root, 'npm')) : [];
  const leftOver = folders.filter((folder) => !platforms.some(({ name }) => name === folder));
  return [...wrong, ...leftOver.map((folder) => `npm/${folder} is no platform of ours`)];
}

/** @param {string} root */
function write(root) {
  for (const [file, text] of packageFiles(root)) {
    mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
    writeFileSync(path.join(root, file), text);
  }
}

module.exports = { problemsIn, write };

if (require.main === module) {
  if (!process.argv.includes('--check')) write(ROOT);
  const problems = problemsIn(ROOT);
  for (const problem of problems) console.error(`platform-packages: ${problem}`);
  if (problems.length > 0) {
    console.error('platform-packages: `node scripts/platforms/packages.js` writes them anew');
    process.exitCode = 1;
  }
}
