'use strict';

// Why the native file could not be loaded, and what mends it. Read only after that has happened, so it may take its time.

const { readdirSync, readFileSync } = require('node:fs');
const path = require('node:path');
const { inspectNativeFile } = require('./native-file');

/**
 * @typedef {object} Attempt
 * @property {string} folder of the package
 * @property {string} version of the package
 * @property {string} platform as napi-rs names it
 * @property {string[]} shipped the platform packages of this version; none in a checkout
 * @property {'override' | 'checkout' | 'package'} from
 * @property {string} [file]
 * @property {string} [found] the version the file gives itself
 *
 * @typedef {'missing' | 'damaged' | 'foreign' | 'name' | 'refused' | 'version' | 'probe'} Problem
 * @typedef {'ERR_NATIVE_PLATFORM' | 'ERR_NATIVE_MISSING' | 'ERR_NATIVE_FILE' | 'ERR_NATIVE_VERSION'} LoadingErrorCode
 * @typedef {{ code: LoadingErrorCode, reason: string, fix: string }} Diagnosis
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
      if (text !== undefined) return { file, lists: text.includes(`node_modules/${name}"`) || text.includes(`${name}@`) };
    }
  }
  return undefined;
}

/** Where npm was told for good to leave optional packages out. @param {string} folder */
function omittingSettings(folder) {
  const files = upwards(path.dirname(folder)).map((above) => path.join(above, '.npmrc'));
  return files.find((file) => /^\s*(omit(\[\])?\s*=.*optional|optional\s*=\s*false)/m.test(textOf(file) ?? ''));
}

/** @param {Attempt} attempt @returns {Diagnosis} */
function missing(attempt) {
  const { folder, from, platform, shipped, version } = attempt;
  const name = `remote-agent-auth-${platform}`;
  const code = 'ERR_NATIVE_MISSING';
  if (from === 'override') {
    return { code, reason: 'there is no such file', fix: 'correct the variable REMOTE_AGENT_AUTH_BINARY, or unset it' };
  }
  if (shipped.length === 0) {
    return { code, reason: 'this is a checkout in which the native file has not been built', fix: 'run `npm run build`' };
  }
  if (!shipped.includes(name)) {
    return {
      code: 'ERR_NATIVE_PLATFORM',
      reason: `version ${version} has no native file for ${platform}; it has ${shipped.map((each) => each.slice('remote-agent-auth-'.length)).join(', ')}`,
      fix: 'use one of these platforms, or build the file from the sources and name it in REMOTE_AGENT_AUTH_BINARY',
    };
  }
  const installed = installedPlatforms(attempt);
  if (installed.includes(platform)) {
    return { code, reason: 'the package is installed, but the native file in it is not there', fix: `${AGAIN}; see that nothing copies node_modules without its .node files` };
  }
  if (installed.length > 0) {
    return { code, reason: `node_modules has the package for ${installed.join(', ')}: it was installed on, or copied from, ${otherPlatform(platform, installed)}`, fix: AGAIN };
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
      : 'optional packages were left out when it was installed (`--omit=optional`, `--no-optional`), or this one could not be fetched',
    fix: settings ? `take that out, and ${AGAIN}` : AGAIN,
  };
}

/** @param {string} platform @param {string[]} installed */
function otherPlatform(platform, installed) {
  const [os, arch] = platform.split('-');
  const sameBut = installed.some((other) => other.startsWith(`${os}-${arch}-`));
  return sameBut ? 'a system with another C library (Debian and Alpine differ in it)' : 'another platform';
}

/** The C library an ELF file was linked for: symbols of glibc carry its name. @param {string} file */
function libcOf(file) {
  return readFileSync(file).includes('GLIBC_2.') ? 'gnu' : 'musl';
}

/** @param {Attempt & { file: string }} attempt @param {unknown} cause @returns {string} */
function refusal({ file, platform }, cause) {
  const { message, code } = /** @type {NodeJS.ErrnoException} */ (cause);
  // What failed may have been reading the file at all.
  if (code !== 'ERR_DLOPEN_FAILED') return `the system says: ${message}`;
  const [needed] = /GLIBC_[\d.]+/.exec(message) ?? [];
  if (needed && /not found/.test(message)) return `the C library of this system is older than the file needs (${needed})`;
  const libc = process.platform === 'linux' && platform.split('-')[2];
  if (libc && libc !== libcOf(file)) {
    return `it is linked for the C library ${libcOf(file)}, and this Node runs on ${libc}: ${message}`;
  }
  if (/did not self-register/.test(message)) return 'it is a native file, but no Node addon';
  return `the system says: ${message}`;
}

/** @param {Attempt & { file: string }} attempt @param {Problem} problem @param {unknown} cause @returns {Diagnosis} */
function unusable(attempt, problem, cause) {
  const { file, found, from, version } = attempt;
  const again = {
    override: 'correct the file that REMOTE_AGENT_AUTH_BINARY names, or unset the variable',
    checkout: 'run `npm run build`',
    package: AGAIN,
  }[from];
  const code = 'ERR_NATIVE_FILE';
  if (problem === 'version') {
    return {
      code: 'ERR_NATIVE_VERSION',
      reason: `the JavaScript is version ${version}, the native file ${found ? `is ${found}` : 'tells none'}`,
      fix: from === 'package' ? `${again}; nothing may pin the platform package to a version of its own` : again,
    };
  }
  if (problem === 'name') return { code, reason: 'the name of a native file ends in .node', fix: again };
  if (problem === 'probe') return { code, reason: 'it is built with the exports that only the tests of panics have', fix: again };
  if (problem === 'refused') return { code, reason: refusal(attempt, cause), fix: again };
  const { format, arch, size } = inspectNativeFile(file);
  if (problem === 'foreign') {
    const systems = { elf: 'Linux', 'mach-o': 'macOS', pe: 'Windows', none: 'nothing' };
    return { code, reason: `it is a file for ${systems[format]} on ${arch}, and this is ${process.platform} on ${process.arch}`, fix: again };
  }
  const reason = format === 'none' ? 'it is no native file' : 'it is cut short: its header speaks of more bytes than it has';
  return { code, reason: `${reason} (${size} bytes)`, fix: again };
}

/**
 * The one error of the loader.
 * @param {Attempt} attempt @param {Problem} problem @param {unknown} [cause]
 * @returns {Error & { code: LoadingErrorCode }}
 */
function loadingError(attempt, problem, cause) {
  const { file, from, folder, platform } = attempt;
  const { code, reason, fix } =
    problem === 'missing' || file === undefined ? missing(attempt) : unusable({ ...attempt, file }, problem, cause);
  const local = path.join(folder, `remote-agent-auth.${platform}.node`);
  const lookedFor = file ?? `${local}, then the package remote-agent-auth-${platform}`;
  const named = from === 'override' ? ' (REMOTE_AGENT_AUTH_BINARY)' : '';
  const message = [
    `remote-agent-auth: the native file for ${platform} could not be loaded.`,
    `  Looked for: ${lookedFor}${named}`,
    `  Cause: ${reason}.`,
    `  What to do: ${fix}.`,
  ].join('\n');
  return Object.assign(new Error(message, { cause }), { code });
}

module.exports = { loadingError };
