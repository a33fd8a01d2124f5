#!/usr/bin/env node
'use strict';

// `npm run check:binary -- [--no-run] [names]`: whether each platform's file, at npm/<name>/, is fit to be shipped. Without names:
// every platform whose file is there. Prints a table, and every problem by name. Unless an option says otherwise, also runs each in a Node of its
// platform, where one can be had, to ask its version.

const { existsSync, readFileSync } = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { readBinary } = require('./binary-format/index.js');
const { nodesOf } = require('./nodes.js');
const { platformNamed, platforms } = require('./table.js');
const { fileOf, trial } = require('./run.js');
const { SetupError, root } = require('../build/setup.js');

/** @typedef {import('./table.js').Platform} Platform */
/** @typedef {import('./binary-format/index.js').Binary} Binary */
/** @typedef {import('./run.js').Figures} Figures */

/** What a platform's own system always has. A C++ or compiler's run-time library is not among it: slim images lack them. */
const LIBRARIES = {
  glibc: /^(libc\.so\.6|libm\.so\.6|libpthread\.so\.0|libdl\.so\.2|ld-linux-(x86-64|aarch64)\.so\.[12])$/,
  musl: /^libc\.so$/,
  darwin: /^\/usr\/lib\/(libSystem\.B|libiconv\.2)\.dylib$/,
  win32:
    /^(kernel32|ntdll|ws2_32|advapi32|bcrypt|bcryptprimitives|userenv|crypt32|msvcrt|ucrtbase|api-ms-win-[a-z0-9-]+)\.dll$/i,
};

/** Functions of the C library in use, where both have them and where one does. A new one is a decision: old systems may lack it. */
const LIBC = {
  both: `__errno_location __stack_chk_fail __stack_chk_guard __tls_get_addr __xpg_strerror_r abort bcmp bind calloc clock_gettime clock_nanosleep close connect
   dl_iterate_phdr dladdr dlclose dlerror dlopen dlsym epoll_create1 epoll_ctl epoll_wait eventfd fcntl fflush fprintf free freeaddrinfo
   fsync fwrite gai_strerror getaddrinfo getauxval getcwd getenv getpeername getpid getsockname getsockopt ioctl linkat madvise malloc
   memchr memcmp memcpy memmove memset mmap munmap nanosleep open pause perror posix_memalign pow pthread_attr_destroy pthread_attr_init
   pthread_attr_setstacksize pthread_create pthread_detach pthread_getspecific pthread_join pthread_key_create pthread_key_delete
   pthread_mutex_lock pthread_mutex_unlock pthread_once pthread_rwlock_destroy pthread_rwlock_init pthread_rwlock_rdlock
   pthread_rwlock_unlock pthread_rwlock_wrlock pthread_self pthread_setname_np pthread_setspecific read readlink realloc realpath recv
   rename sched_getaffinity sched_yield send setsockopt shutdown snprintf socket stderr strchr strcmp strlen strtol syscall sysconf
   unlink vsnprintf write writev`,
  glibc: `__fxstat64 __isoc99_sscanf __lxstat64 __res_init __xstat __xstat64 gnu_get_libc_version lseek64 mmap64 open64`,
  musl: `bsearch fstat getrandom lseek lstat sscanf stat strncmp strstr`,
};
/** @param {'glibc' | 'musl'} libc @returns {Set<string>} */
const functionsOf = (libc) => new Set(`${LIBC.both} ${LIBC[libc]}`.split(/\s+/));

/**
 * Looked for, and done without where they are not: newer functions of the C library, and the hooks by which AWS-LC takes another
 * allocator.
 */
const WEAK = new Set([
  ...['__cxa_thread_atexit_impl', 'getrandom', 'gettid', 'statx'],
  ...['OPENSSL_memory_alloc', 'OPENSSL_memory_free', 'OPENSSL_memory_get_size', 'OPENSSL_memory_realloc', 'sdallocx'],
]);
const NODE_API = /^(napi|node_api)_/;
/** The one function Node looks for. */
const ENTRY = 'napi_register_module_v1';
/** AWS-LC's source of entropy marks its functions so that every Windows linker exports them; nothing here can take that back. */
const ALWAYS_EXPORTED = /^aws_lc_\w+_jent_\w+$/;
const FORMATS = { linux: 'elf', darwin: 'mach-o', win32: 'pe' };
/** Twice what it is today: what makes it grow beyond is a mistake in the build, such as debug information. */
const MOST_BYTES = 13_000_000;

/** @param {string} version @returns {number[]} */
const parts = (version) => version.replace(/^\D*/, '').split('.').map(Number);

/** @param {string} one @param {string} other */
function newer(one, other) {
  const [a, b] = [parts(one), parts(other)];
  for (let index = 0; index < Math.max(a.length, b.length); index += 1) {
    if ((a[index] ?? 0) !== (b[index] ?? 0)) return (a[index] ?? 0) > (b[index] ?? 0);
  }
  return false;
}

/** @param {Binary} binary @returns {string | undefined} the highest version of a glibc symbol asked for */
function highestGlibc({ imports }) {
  return imports
    .map(({ version }) => version ?? '')
    .filter((version) => version.startsWith('GLIBC_'))
    .reduce(
      (/** @type {string | undefined} */ high, version) =>
        high === undefined || newer(version, high) ? version : high,
      undefined,
    )
    ?.replace('GLIBC_', '');
}

/** @param {Binary} binary @param {Platform} platform @returns {string[]} */
function symbolProblems(binary, platform) {
  if (platform.os !== 'linux' || !platform.libc) return [];
  const problems = [];
  const highest = highestGlibc(binary);
  if (platform.libc === 'musl') {
    const versioned = binary.imports.find(({ version }) => version !== undefined);
    if (versioned)
      problems.push(`asks for ${versioned.name}@${versioned.version}: versioned symbols are glibc's, this is for musl`);
  } else if (highest === undefined) {
    problems.push('asks for no glibc symbol: not linked to glibc at all');
  } else if (newer(highest, platform.glibc ?? '0')) {
    const { name } = binary.imports.find(({ version }) => version === `GLIBC_${highest}`) ?? { name: '' };
    problems.push(`asks for ${name}@GLIBC_${highest}: glibc ${platform.glibc} does not have it`);
  }
  const known = functionsOf(platform.libc);
  const isKnown = (/** @type {{ name: string, weak: boolean }} */ { name, weak }) =>
    known.has(name) || NODE_API.test(name) || (weak && WEAK.has(name));
  const foreign = binary.imports.filter((symbol) => !isKnown(symbol)).map(({ name }) => name);
  if (foreign.length > 0)
    problems.push(`asks for ${listed(foreign)}: neither Node-API nor on the list of ${platform.libc} functions`);
  return problems;
}

/** @param {string[]} names */
const listed = (names) => `${names.slice(0, 5).join(', ')}${names.length > 5 ? ` and ${names.length - 5} more` : ''}`;

/** @param {Buffer} bytes @returns {string[]} */
function contentProblems(bytes) {
  const problems = [];
  if (bytes.includes('panicIn')) problems.push('holds the exports of the feature panic-probe');
  if (!bytes.includes('createRemoteAgentAuth'))
    problems.push('does not hold the name createRemoteAgentAuth: another library');
  // As a folder, followed by one: the bare word may be part of any text.
  for (const folder of [os.homedir(), root].map((name) => `${name}${path.sep}`)) {
    if (folder.length > 2 && bytes.includes(folder))
      problems.push(`holds a path of the machine that built it: ${folder}`);
  }
  if (bytes.length > MOST_BYTES) problems.push(`${bytes.length} bytes, more than ${MOST_BYTES}`);
  return problems;
}

/**
 * What is wrong with a file, as far as its bytes show.
 * @param {Buffer} bytes
 * @param {Platform} platform
 * @returns {string[]}
 */
function problemsOf(bytes, platform) {
  /** @type {Binary} */
  let binary;
  try {
    binary = readBinary(bytes);
  } catch (cause) {
    return [`cannot be read: ${cause instanceof Error ? cause.message : cause}`];
  }
  const problems = contentProblems(bytes);
  if (binary.format !== FORMATS[platform.os]) problems.push(`is ${binary.format}, wanted ${FORMATS[platform.os]}`);
  if (binary.cpu !== platform.cpu) problems.push(`is for ${binary.cpu}, wanted ${platform.cpu}`);
  if (!binary.shared) problems.push('is no shared library');
  if (!binary.stripped) problems.push('is not stripped');
  const known = LIBRARIES[platform.libc ?? /** @type {'darwin' | 'win32'} */ (platform.os)];
  const unknown = binary.libraries.filter((library) => !known.test(library));
  if (unknown.length > 0) problems.push(`needs ${unknown.join(', ')}, which not every such system has`);
  const unwanted = binary.exports.filter(
    (name) => name !== ENTRY && !(platform.os === 'win32' && ALWAYS_EXPORTED.test(name)),
  );
  if (unwanted.length > 0) problems.push(`exports ${listed(unwanted)} besides ${ENTRY}`);
  if (!binary.exports.includes(ENTRY)) problems.push(`does not export ${ENTRY}`);
  return [...problems, ...symbolProblems(binary, platform), ...binary.hazards.map((hazard) => `has ${hazard}`)];
}

/**
 * What is wrong with what a file did when it ran.
 * @param {Pick<Figures, 'version' | 'probes' | 'arch'>} figures
 * @param {Platform} platform
 * @param {string} version package.json's
 * @returns {string[]}
 */
function runProblems({ version: reported, probes, arch }, platform, version) {
  return [
    ...(reported === version ? [] : [`reports version ${reported}, package.json has ${version}`]),
    ...(probes.length === 0 ? [] : [`exports ${probes.join(', ')}`]),
    ...(arch === platform.cpu ? [] : [`ran on ${arch}`]),
  ];
}

/** @param {string} name @param {boolean} run @returns {boolean} */
function check(name, run) {
  const platform = platformNamed(name);
  const bytes = readFileSync(fileOf(name));
  const problems = problemsOf(bytes, platform);
  const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  let reported = 'not asked';
  const [node] = run && problems.length === 0 ? nodesOf(name).slice(-1) : [];
  if (node) {
    const result = trial(fileOf(name), node.command);
    if ('problem' in result) problems.push(`does not run: ${result.problem}`);
    else problems.push(...runProblems(result.figures, platform, version));
    reported = 'problem' in result ? 'failed' : `${result.figures.version} (Node ${result.figures.node})`;
  }
  const binary = problems.length === 0 ? readBinary(bytes) : undefined;
  const glibc =
    binary &&
    (platform.libc === 'glibc' ? `glibc ${highestGlibc(binary)}` : platform.libc === 'musl' ? 'no glibc' : '-');
  const figures =
    binary && `${binary.format} ${binary.cpu}, ${glibc}, ${binary.imports.length} imports, version ${reported}`;
  console.log(
    `${name.padEnd(18)} ${(bytes.length / 1e6).toFixed(2).padStart(6)} MB  ${figures ?? 'NOT FIT TO BE SHIPPED'}`,
  );
  for (const problem of problems) console.log(`  ${problem}`);
  return problems.length === 0;
}

module.exports = { highestGlibc, problemsOf, runProblems };

if (require.main === module) {
  const named = process.argv.slice(2).filter((word) => word !== '--no-run');
  const run = !process.argv.includes('--no-run');
  const there = platforms.map(({ name }) => name).filter((name) => existsSync(fileOf(name)));
  try {
    const names = named.length > 0 ? named : there;
    if (names.length === 0)
      throw new SetupError('no platform has its file in npm/; `npm run build:platforms` makes them');
    process.exitCode = names.map((name) => check(name, run)).every(Boolean) ? 0 : 1;
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    console.error(`check:binary failed: ${error.message}`);
    process.exitCode = 1;
  }
}
