'use strict';

// Why the native file could not be loaded, and what mends it. Read only after that has happened, so it may take its time.

const path = require('node:path');
const { AGAIN, missing } = require('./missing-file');
const { inspectNativeFile } = require('./native-file');
const { refusal } = require('./refused-file');

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

/** @param {Attempt} attempt @param {Problem} problem @param {unknown} cause @returns {Diagnosis} */
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
  if (problem === 'probe')
    return { code, reason: 'it is built with the exports that only the tests of panics have', fix: again };
  if (problem === 'refused') return { code, fix: again, ...refusal(attempt, cause) };
  if (file === undefined) return { code, reason: 'what the bundle holds in its place is no native file', fix: again };
  const { format, arch, size } = inspectNativeFile(file);
  if (problem === 'foreign') {
    const systems = { elf: 'Linux', 'mach-o': 'macOS', pe: 'Windows', none: 'nothing' };
    return {
      code,
      reason: `it is a file for ${systems[format]} on ${arch}, and this is ${process.platform} on ${process.arch}`,
      fix: again,
    };
  }
  const reason =
    format === 'none' ? 'it is no native file' : 'it is cut short: its header speaks of more bytes than it has';
  return { code, reason: `${reason} (${size} bytes)`, fix: again };
}

/**
 * The one error of the loader.
 * @param {Attempt} attempt @param {Problem} problem @param {unknown} [cause]
 * @returns {Error & { code: LoadingErrorCode }}
 */
function loadingError(attempt, problem, cause) {
  const { file, from, folder, platform } = attempt;
  const { code, reason, fix } = problem === 'missing' ? missing(attempt) : unusable(attempt, problem, cause);
  const local = path.join(folder, `remote-agent-auth.${platform}.node`);
  const lookedFor = file ?? `${local}, then the package remote-agent-auth-${platform}`;
  const named = from === 'override' ? ' (REMOTE_AGENT_AUTH_BINARY)' : '';
  const message = [
    `remote-agent-auth: the native file for ${platform} could not be loaded.`,
    `  Looked for: ${lookedFor}${named}`,
    `  Cause: ${reason.replace(/\.$/, '')}.`,
    `  What to do: ${fix}.`,
  ].join('\n');
  return Object.assign(new Error(message, { cause }), { code });
}

module.exports = { loadingError };
