'use strict';

// The loader of the native file. Nothing else is ever loaded in its place: a server that cannot verify must not start.

const { existsSync, readFileSync } = require('node:fs');
const { extname, join, resolve } = require('node:path');
const { inspectNativeFile } = require('./lib/loader/native-file');

const manifest = /** @type {{ version: string, optionalDependencies?: Record<string, string> }} */ (
  require('./package.json')
);

/**
 * @typedef {import('./lib/loader/loading-error').Attempt} Attempt
 * @typedef {import('./lib/loader/loading-error').Problem} Problem
 */

/** `musl` or `gnu`: the C library of this process, by what is mapped into it; the machine may have both. */
function libc() {
  try {
    const maps = readFileSync('/proc/self/maps', 'latin1');
    if (/\/(ld-musl-|libc\.musl-)/.test(maps)) return 'musl';
    if (/\/libc(\.so\.6|-2\.\d+\.so)\b/.test(maps)) return 'gnu';
  } catch {
    // Without /proc the report says it, which takes some milliseconds.
  }
  try {
    const report = /** @type {{ header?: { glibcVersionRuntime?: string } } | undefined} */ (
      process.report?.getReport()
    );
    return report?.header?.glibcVersionRuntime ? 'gnu' : 'musl';
  } catch {
    // Deno refuses both without leave, and is there for glibc alone.
    return 'gnu';
  }
}

/** The platform's name as napi-rs writes it, e.g. `linux-x64-gnu`. */
function platformName() {
  const { platform, arch } = process;
  if (platform === 'linux') return `linux-${arch}-${libc()}`;
  return platform === 'win32' ? `win32-${arch}-msvc` : `${platform}-${arch}`;
}

/**
 * What is in the platform package. Each is named in a literal `require`, inside this very `try`: tools that copy or bundle an
 * application include what they can read in the source, and take what they cannot find inside a `try` for optional.
 * @param {string} platform
 * @returns {{ native?: any, cause?: unknown }}
 */
function requirePackage(platform) {
  try {
    switch (platform) {
      case 'linux-x64-gnu':
        return { native: require('remote-agent-auth-linux-x64-gnu') };
      case 'linux-arm64-gnu':
        return { native: require('remote-agent-auth-linux-arm64-gnu') };
      case 'linux-x64-musl':
        return { native: require('remote-agent-auth-linux-x64-musl') };
      case 'linux-arm64-musl':
        return { native: require('remote-agent-auth-linux-arm64-musl') };
      case 'win32-x64-msvc':
        return { native: require('remote-agent-auth-win32-x64-msvc') };
      case 'darwin-arm64':
        return { native: require('remote-agent-auth-darwin-arm64') };
      case 'darwin-x64':
        return { native: require('remote-agent-auth-darwin-x64') };
      default:
        return { cause: Object.assign(new Error(`no package for ${platform}`), { code: 'MODULE_NOT_FOUND' }) };
    }
  } catch (cause) {
    return { cause };
  }
}

/** @param {Attempt} attempt @param {Problem} problem @param {unknown} [cause] @returns {never} */
function fail(attempt, problem, cause) {
  const { loadingError } = require('./lib/loader/loading-error');
  throw loadingError(attempt, problem, cause);
}

/** @returns {Attempt} without a file where the package is not found on the disk */
function choose() {
  const base = {
    folder: __dirname,
    version: manifest.version,
    platform: platformName(),
    shipped: Object.keys(manifest.optionalDependencies ?? {}),
  };
  const override = process.env.REMOTE_AGENT_AUTH_BINARY;
  if (override) {
    const attempt = { ...base, from: /** @type {const} */ ('override'), file: resolve(override) };
    process.emitWarning(`The native file is ${attempt.file}, as REMOTE_AGENT_AUTH_BINARY says.`, {
      type: 'RemoteAgentAuthWarning',
      code: 'REMOTE_AGENT_AUTH_BINARY',
    });
    return existsSync(attempt.file) ? attempt : fail(attempt, 'missing');
  }
  const local = join(__dirname, `remote-agent-auth.${base.platform}.node`);
  if (existsSync(local)) return { ...base, from: 'checkout', file: local };
  try {
    return { ...base, from: 'package', file: require.resolve(`remote-agent-auth-${base.platform}`) };
  } catch {
    return { ...base, from: 'package' };
  }
}

/** Why a file need not be tried. @param {string} path @returns {Problem | undefined} */
function defectOf(path) {
  // Node runs a file of any other name as JavaScript.
  if (extname(path) !== '.node') return 'name';
  const { whole, format, arch } = inspectNativeFile(path);
  if (!whole) return 'damaged';
  const own = { linux: 'elf', darwin: 'mach-o', win32: 'pe' }[/** @type {string} */ (process.platform)] ?? format;
  return format === own && (arch === process.arch || arch === 'any') ? undefined : 'foreign';
}

/** Not by the `require` of this file, which bundlers replace. @param {string} file */
function requireFile(file) {
  const { createRequire } = require('node:module');
  return createRequire(file)(file);
}

/** @param {Attempt} attempt @returns {{ native?: any, problem?: Problem, cause?: unknown }} */
function open(attempt) {
  const { file, from, platform } = attempt;
  try {
    // First, because over a file that is cut short the system may end the process instead of refusing it.
    const problem = file === undefined ? undefined : defectOf(file);
    if (problem) return { problem };
    if (file !== undefined && from !== 'package') return { native: requireFile(file) };
  } catch (cause) {
    return { problem: 'refused', cause };
  }
  // Without a file on the disk it may still be in a bundle, which answers for `require` alone, some with the place of a copy.
  const { native, cause } = requirePackage(platform);
  if (typeof native === 'string') return open({ ...attempt, from: 'checkout', file: resolve(__dirname, native) });
  if (cause === undefined) return { native };
  const absent = file === undefined && /** @type {NodeJS.ErrnoException} */ (cause).code === 'MODULE_NOT_FOUND';
  return { problem: absent ? 'missing' : 'refused', cause };
}

/** @returns {typeof import('./binding.d.ts')} */
function load() {
  const attempt = choose();
  const { native, problem, cause } = open(attempt);
  if (problem) return fail(attempt, problem, cause);
  const found = typeof native.version === 'function' ? native.version() : undefined;
  if (found !== manifest.version) return fail({ ...attempt, found }, 'version');
  // Exports that panic belong to one test, which loads its file without this one.
  if ('panicInFunction' in native) return fail(attempt, 'probe');
  return native;
}

module.exports = load();
