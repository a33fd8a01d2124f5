'use strict';

// Why the system or Node refused a native file that is there, and what mends it. Read only after that has happened.

const { readFileSync } = require('node:fs');
const path = require('node:path');

/**
 * @typedef {import('./loading-error').Attempt} Attempt
 *
 * `fix`: absent where another copy of the file is what helps.
 * @typedef {{ reason: string, fix?: string }} Refusal
 */

const TRUSTED_PLACE = 'move node_modules to a place from which code may be run';

/**
 * What dynamic linkers say, where no code or fact says it: only the words of these few faults lead to another advice than a new copy of the file.
 * @type {readonly (Required<Refusal> & { words: RegExp })[]}
 */
const LINKERS = Object.freeze([
  {
    words: /static TLS block/,
    reason: 'libraries loaded before it have used up the memory that the C library sets aside for thread-local data',
    fix: 'load remote-agent-auth first, or raise GLIBC_TUNABLES=glibc.rtld.optional_static_tls',
  },
  {
    words: /Cannot allocate memory|Out of memory/i,
    reason: 'there is not enough memory to load it',
    fix: 'give this process or container more memory',
  },
  {
    words: /code signature|system policy|library validation|code signing/i,
    reason: 'macOS refuses to run it, because of its signature or because it is in quarantine',
    fix: 'take it out of quarantine (`xattr -d com.apple.quarantine FILE`), or allow it in the settings for privacy and security',
  },
  {
    words: /application control policy|group policy|virus|Access is denied/i,
    reason: 'Windows or a virus scanner does not allow it to be run',
    fix: 'allow the file there',
  },
  {
    words:
      /failed to map segment|Operation not permitted|Permission denied|cannot enable executable|cannot change memory protections/i,
    reason:
      'the system does not let this process run code from it (SELinux, AppArmor, seccomp, or `MemoryDenyWriteExecute` of systemd)',
    fix: `allow that, or ${TRUSTED_PLACE}`,
  },
]);

/** Node's permission model, where it is on. @returns {{ has: (scope: string, reference?: string) => boolean } | undefined} */
function permissionModel() {
  return /** @type {any} */ (process).permission;
}

/** @returns {Required<Refusal>} */
function addonsDisabled() {
  const model = permissionModel();
  if (model === undefined || model.has('addon') || process.execArgv.includes('--no-addons')) {
    return {
      reason: 'Node was told to load no addons (`--no-addons`)',
      fix: 'take `--no-addons` out of the command line, NODE_OPTIONS or the options of the worker thread',
    };
  }
  return {
    reason: "Node's permission model is on, and does not allow addons, which native files are",
    fix: 'start Node with `--allow-addons` as well; what an addon does is not restricted by that model',
  };
}

/** @param {string} place @param {string} folder what is to be allowed @returns {Required<Refusal>} */
function unreadableByPermission(place, folder) {
  return {
    reason: `Node's permission model does not let this process read ${place}`,
    fix: `start Node with \`--allow-fs-read=${path.join(folder, '*')}\` as well, and with \`--allow-addons\``,
  };
}

/** @param {string} place @returns {Required<Refusal>} */
function unreadable(place) {
  const user = typeof process.getuid === 'function' ? ` (uid ${process.getuid()})` : '';
  return {
    reason: `the user of this process${user} is not allowed to read ${place}`,
    fix: 'let that user read it and search the folders above it (`chmod`, `chown`)',
  };
}

/**
 * The mount that a file lies on, where it forbids running code.
 * @param {string} file
 * @returns {string | undefined}
 */
function noexecMount(file) {
  try {
    const mounts = readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .flatMap((line) => {
        const [, point, , options] = line.split(' ');
        return point && options
          ? [{ point: point.replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(parseInt(octal, 8))), options }]
          : [];
      });
    const above = mounts.filter(
      ({ point }) => file === point || file.startsWith(point.endsWith('/') ? point : `${point}/`),
    );
    // Of two mounts on one point, the later one is seen.
    const nearest = above.reduce((a, b) => (b.point.length >= a.point.length ? b : a), { point: '', options: '' });
    return nearest.options.split(',').includes('noexec') ? nearest.point : undefined;
  } catch {
    return undefined;
  }
}

/** The C library an ELF file was linked for: symbols of glibc carry its name. @param {string} file */
function libcOf(file) {
  try {
    return readFileSync(file).includes('GLIBC_2.') ? 'gnu' : 'musl';
  } catch {
    return undefined;
  }
}

/** What the dynamic linker had against the file. @param {Attempt} attempt @param {string} message @returns {Refusal} */
function refusedByLinker({ file = '', platform }, message) {
  const said = `the system says: ${message}`;
  const mount = noexecMount(file);
  if (mount !== undefined) {
    return {
      reason: `${mount} is mounted with \`noexec\`, so that no code can be run from it`,
      fix: `mount it without \`noexec\`, or ${TRUSTED_PLACE}`,
    };
  }
  const [needed] = /GLIBC_[\d.]+/.exec(message) ?? [];
  if (needed && /not found/.test(message)) {
    return {
      reason: `the C library of this system is older than the file needs (${needed})`,
      fix: 'use a newer system, or install again with the package of this platform, which needs no more than docs/platforms.md says; a file of your own must be built on a system as old as this',
    };
  }
  const libc = process.platform === 'linux' && platform.split('-')[2];
  const own = libc && libcOf(file);
  if (libc && own && libc !== own)
    return { reason: `it is linked for the C library ${own}, and this Node runs on ${libc}: ${message}` };
  if (/did not self-register/.test(message)) return { reason: 'it is a native file, but no Node addon' };
  const known = LINKERS.find(({ words }) => words.test(message));
  return known ? { reason: `${known.reason}; ${said}`, fix: known.fix } : { reason: said };
}

/**
 * @param {Attempt} attempt
 * @param {unknown} cause what reading or loading the file threw
 * @returns {Refusal}
 */
function refusal(attempt, cause) {
  const { message, code, name, resource } = /** @type {NodeJS.ErrnoException & { resource?: string }} */ (cause);
  const { file = resource ?? 'the platform package' } = attempt;
  if (code === 'ERR_DLOPEN_DISABLED') return addonsDisabled();
  if (code === 'ERR_ACCESS_DENIED') return unreadableByPermission(file, path.dirname(file));
  if (code === 'EACCES' || code === 'EPERM') return unreadable(file);
  if (code === 'ENOENT') return { reason: 'its name leads to no file' };
  if (code === 'EMFILE' || code === 'ENFILE') {
    return {
      reason: `no more files can be opened: ${message}`,
      fix: 'raise the limit of open files (`ulimit -n`), or find what leaves files open',
    };
  }
  if (name === 'NotCapable' || name === 'PermissionDenied') {
    return {
      reason: `Deno's permissions do not allow it: ${message}`,
      fix: 'start Deno with `--allow-ffi --allow-read --allow-env`',
    };
  }
  return code === 'ERR_DLOPEN_FAILED' || code === undefined
    ? refusedByLinker(attempt, message)
    : { reason: `the system says: ${message}` };
}

module.exports = { permissionModel, refusal, unreadable, unreadableByPermission };
