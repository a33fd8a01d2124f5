'use strict';

// Why there is no native file where it was looked for, and what mends it. Read only after that has happened.

const { readdirSync, readFileSync, statSync } = require('node:fs');
const path = require('node:path');
const { permissionModel, unreadable, unreadableByPermission } = require('./refused-file');

/**
 * @typedef {import('./loading-error').Attempt} Attempt
 * @typedef {import('./loading-error').Diagnosis} Diagnosis
 */

const LOCK_FILES = ['package-lock.json', 'npm-shrinkwrap.json', 'yarn.lock', 'pnpm-lock.yaml', 'bun.lock'];
const AGAIN = 'delete node_modules and install again on this very platform, without `--omit=optional`';

/** @param {string} folder @returns {string[]} the folder and all above it */
function upwards(folder) {
  const parent = path.dirname(folder);
  return parent === folder ? [folder] : [folder, ...upwards(parent)];
}

/** @param {string} file @returns {string | undefined} its text, if it can be read */
function textOf(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

/** @param {Attempt} attempt @returns {string[]} our platform packages that are installed, by platform */
function installedPlatforms({ folder }) {
  const found = upwards(folder).flatMap((above) => {
    try {
      return readdirSync(path.basename(above) === 'node_modules' ? above : path.join(above, 'node_modules'));
    } catch {
      return [];
    }
  });
  return [...new Set(found.flatMap((name) => /^remote-agent-auth-((?:linux|darwin|win32)-.+)$/.exec(name)?.[1] ?? []))];
}

/**
 * What the nearest lock file says about a package: a lock file written where npm saw one platform only may have no entry for it,
 * and then nothing installs it.
 * @param {string} folder @param {string} name
 */
function lockFile(folder, name) {
  for (const above of upwards(path.dirname(folder))) {
    for (const lock of LOCK_FILES) {
      const file = path.join(above, lock);
      const text = textOf(file);
      if (text !== undefined)
        return { file, lists: text.includes(`node_modules/${name}"`) || text.includes(`${name}@`) };
    }
  }
  return undefined;
}

/** Where npm's configuration leaves optional packages out. @param {string} folder */
function omittingSettings(folder) {
  const files = upwards(path.dirname(folder)).map((above) => path.join(above, '.npmrc'));
  return files.find((file) => /^\s*(omit(\[\])?\s*=.*optional|optional\s*=\s*false)/m.test(textOf(file) ?? ''));
}

/** Where installers put a package that ours depends on: within ours, or beside it. @param {string} folder @param {string} name */
function packagePlaces(folder, name) {
  return [path.join(folder, 'node_modules', name), path.join(path.dirname(folder), name)];
}

/**
 * What Node may not look at, it takes for missing.
 * @param {string[]} places
 * @returns {Required<import('./refused-file').Refusal> | undefined}
 */
function hiddenPlace(places) {
  const model = permissionModel();
  for (const place of places) {
    if (model !== undefined && !model.has('fs.read', place)) return unreadableByPermission(place, place);
    try {
      statSync(place);
    } catch (error) {
      const { code } = /** @type {NodeJS.ErrnoException} */ (error);
      if (code === 'EACCES' || code === 'EPERM') return unreadable(place);
    }
  }
  return undefined;
}

/** Whether this code no longer lies in its own package. @param {string} folder */
function isBundle(folder) {
  try {
    return JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')).name !== 'remote-agent-auth';
  } catch {
    return true;
  }
}

const MISSING = 'ERR_NATIVE_MISSING';

/** @param {Attempt} attempt @returns {Diagnosis} */
function missing(attempt) {
  const { file, folder, from, platform, shipped, version } = attempt;
  const name = `remote-agent-auth-${platform}`;
  const code = MISSING;
  const hidden = hiddenPlace(from === 'override' ? [file ?? ''] : packagePlaces(folder, name));
  if (hidden) return { code: 'ERR_NATIVE_FILE', ...hidden };
  if (from === 'override') {
    return { code, reason: 'there is no such file', fix: 'correct the variable REMOTE_AGENT_AUTH_BINARY, or unset it' };
  }
  if (shipped.length === 0) {
    return {
      code,
      reason: 'this is a checkout in which the native file has not been built',
      fix: 'run `npm run build`',
    };
  }
  if (!shipped.includes(name)) {
    return {
      code: 'ERR_NATIVE_PLATFORM',
      reason: `version ${version} has no native file for ${platform}; it has ${shipped.map((each) => each.slice('remote-agent-auth-'.length)).join(', ')}`,
      fix: 'use one of these platforms, or build the file from the sources and name it in REMOTE_AGENT_AUTH_BINARY',
    };
  }
  if (isBundle(folder)) {
    return {
      code,
      reason: `remote-agent-auth was put into a bundle, which lies in ${folder}, without its native file`,
      fix: `leave remote-agent-auth out of the bundle (external), or put remote-agent-auth.${platform}.node beside it; docs/platforms.md, "Bundlers and tracers"`,
    };
  }
  return notInstalled(attempt, name);
}

/**
 * npm chooses the platform package, and here it has not, or something has taken it away.
 * @param {Attempt} attempt @param {string} name of that package
 * @returns {Diagnosis}
 */
function notInstalled(attempt, name) {
  const { folder, platform } = attempt;
  const code = MISSING;
  const installed = installedPlatforms(attempt);
  if (installed.includes(platform)) {
    return {
      code,
      reason: 'the package is installed, but the native file in it is not there',
      fix: `${AGAIN}; see that nothing copies node_modules without its .node files`,
    };
  }
  if (installed.length > 0) {
    return {
      code,
      reason: `node_modules has the package for ${installed.join(', ')}: it was installed on, or copied from, ${otherPlatform(platform, installed)}`,
      fix: AGAIN,
    };
  }
  const lock = lockFile(folder, name);
  if (lock && !lock.lists) {
    return {
      code,
      reason: `${lock.file} has no entry for the package: it was written on another platform or without optional packages`,
      fix: `delete node_modules and the entries of remote-agent-auth in that file (or the file), and install again without \`--omit=optional\``,
    };
  }
  const settings = omittingSettings(folder);
  return {
    code,
    reason: settings
      ? `${settings} says that optional packages are left out`
      : 'optional packages were left out when it was installed (`--omit=optional`, `--no-optional`), this one could not be fetched, or what copied the application left it behind',
    fix: settings ? `take that out, and ${AGAIN}` : AGAIN,
  };
}

/** @param {string} platform @param {string[]} installed */
function otherPlatform(platform, installed) {
  const [os, arch] = platform.split('-');
  const sameBut = installed.some((other) => other.startsWith(`${os}-${arch}-`));
  return sameBut ? 'a system with another C library (Debian and Alpine differ in it)' : 'another platform';
}

module.exports = { AGAIN, missing };
