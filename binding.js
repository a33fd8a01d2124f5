'use strict';

// The loader of the native file. Nothing else is ever loaded in its place: a server that cannot verify must not start.

const { existsSync } = require('node:fs');
const { join } = require('node:path');

/** `musl` or `gnu`: which C library this Node was built for. */
function libc() {
  const report = /** @type {{ header?: { glibcVersionRuntime?: string } }} */ (process.report?.getReport() ?? {});
  return report.header?.glibcVersionRuntime ? 'gnu' : 'musl';
}

/** The platform's name as napi-rs writes it, e.g. `linux-x64-gnu`. */
function platformName() {
  const { platform, arch } = process;
  if (platform === 'linux') return `linux-${arch}-${libc()}`;
  return platform === 'win32' ? `win32-${arch}-msvc` : `${platform}-${arch}`;
}

/** @returns {typeof import('./binding.d.ts')} */
function load() {
  const name = platformName();
  const local = join(__dirname, `remote-agent-auth.${name}.node`);
  const wanted = existsSync(local) ? local : `remote-agent-auth-${name}`;
  try {
    return require(wanted);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(
      `remote-agent-auth: the native file for ${name} could not be loaded.\n` +
        `  Looked for: ${local}, then the package remote-agent-auth-${name}.\n` +
        `  What happened: ${reason}\n` +
        '  In a clone, build it with `npm run build`. Installed from npm, install again on this very platform, ' +
        'without `--omit=optional`.',
      { cause },
    );
  }
}

module.exports = load();
