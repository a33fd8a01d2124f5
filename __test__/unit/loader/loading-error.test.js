'use strict';

// The loader of the native file, each case in a process and an installation of its own: it takes the right file, or throws one
// error that names the true cause. Row S39.

const { execFile } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { promisify } = require('node:util');
const { inspectNativeFile } = require('../../../lib/loader/native-file');
const { describeWith } = require('../../support/needs');
const { score } = require('../../support/score');

const ROOT = path.join(__dirname, '..', '..', '..');
const { version } = require('../../../package.json');
const CHILD = path.join(__dirname, '..', '..', 'support/children/loads.js');

const builtName = fs.readdirSync(ROOT).find((name) => /^remote-agent-auth\..+\.node$/.test(name));
const BUILT = path.join(ROOT, String(builtName));
const HERE = /^remote-agent-auth\.(.+)\.node$/.exec(String(builtName))?.[1];
const OTHER_LIBC = `linux-${process.arch}-musl`;
const SHIPPED = [HERE, OTHER_LIBC, 'darwin-arm64'];
const MUSL = { maps: '7f2-7f3 r-xp 00000000 fe:00 27 /lib/ld-musl-x86_64.so.1\n' };

let folder;
beforeEach(() => {
  folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'loader-')));
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

const modules = (...parts) => path.join(folder, 'node_modules', ...parts);
const write = (file, content) => {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, content);
};
const link = (file, target) => {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.symlinkSync(target, file);
};

/** Installs the main package as it would be packed, with whatever differs in its manifest. */
function installMain(changes = {}) {
  const target = modules('remote-agent-auth');
  const manifest = require('../../../package.json');
  fs.mkdirSync(target, { recursive: true });
  for (const name of ['index.js', 'native.js', 'binding.js', 'lib']) {
    fs.cpSync(path.join(ROOT, name), path.join(target, name), { recursive: true });
  }
  const optionalDependencies = Object.fromEntries(SHIPPED.map((name) => [`remote-agent-auth-${name}`, version]));
  write(path.join(target, 'package.json'), JSON.stringify({ ...manifest, optionalDependencies, ...changes }));
}

/** Installs a platform package; `file` is its native file, a path to link to or the bytes, or null for none. */
function installPlatform(name = HERE, file = BUILT) {
  const main = `remote-agent-auth.${name}.node`;
  write(
    modules(`remote-agent-auth-${name}`, 'package.json'),
    JSON.stringify({ name: `remote-agent-auth-${name}`, version, main }),
  );
  if (typeof file === 'string') link(modules(`remote-agent-auth-${name}`, main), file);
  else if (file !== null) write(modules(`remote-agent-auth-${name}`, main), file);
}

/** Loads the package of the folder in a process of its own. */
async function load(machine = {}, env = {}) {
  const { stdout } = await promisify(execFile)(process.execPath, [CHILD, JSON.stringify(machine)], {
    cwd: folder,
    env: { PATH: process.env.PATH, ...env },
  });
  return JSON.parse(stdout);
}

const packageLock = (names) =>
  JSON.stringify({
    lockfileVersion: 3,
    packages: {
      'node_modules/remote-agent-auth': {
        version,
        optionalDependencies: Object.fromEntries(SHIPPED.map((each) => [`remote-agent-auth-${each}`, version])),
      },
      ...Object.fromEntries(
        names.map((name) => [`node_modules/remote-agent-auth-${name}`, { version, optional: true }]),
      ),
    },
  });

const built = () => fs.readFileSync(BUILT);
/** The header of an ELF file, without segments and sections. */
const header = (machine) => {
  const bytes = built().subarray(0, 4096);
  if (machine) bytes[0x12] = machine;
  bytes.fill(0, 0x28, 0x30);
  bytes.fill(0, 0x38, 0x40);
  return bytes.fill(0, 0x40);
};
const mach = () => {
  const bytes = Buffer.alloc(4096);
  bytes.writeUInt32LE(0xfeedfacf, 0);
  bytes.writeUInt32LE(0x0100000c, 4);
  return bytes;
};
/** A library that is no addon, of this very system. */
const someLibrary = () =>
  fs
    .readFileSync('/proc/self/maps', 'latin1')
    .split('\n')
    .map((line) => line.slice(line.indexOf('/')))
    .find((file) => /\/lib(m|dl|gcc_s|stdc\+\+)[.-][^/]*so/.test(file));

test('takes the platform package, without the report that takes long and without a warning', async () => {
  installMain();
  installPlatform();
  expect(await load()).toEqual({ exports: Object.keys(require('../../..')).length, reports: 0, warnings: [] });
});

test('takes the file built in a checkout before any package', async () => {
  installMain();
  installPlatform(HERE, Buffer.from('not this one'));
  link(modules('remote-agent-auth', String(builtName)), BUILT);
  expect(await load()).toMatchObject({ exports: expect.any(Number), reports: 0 });
});

test('takes the file REMOTE_AGENT_AUTH_BINARY names before all others, and warns once', async () => {
  installMain();
  installPlatform(HERE, Buffer.from('not this one'));
  link(path.join(folder, 'own.node'), BUILT);
  for (const named of ['own.node', path.join(folder, 'own.node')]) {
    expect(await load({}, { REMOTE_AGENT_AUTH_BINARY: named })).toEqual({
      exports: expect.any(Number),
      reports: 0,
      warnings: [
        {
          name: 'RemoteAgentAuthWarning',
          code: 'REMOTE_AGENT_AUTH_BINARY',
          message: `The native file is ${path.join(folder, 'own.node')}, as REMOTE_AGENT_AUTH_BINARY says.`,
        },
      ],
    });
  }
});

/** @type {[string, { arrange: () => void, machine?: object, env?: Record<string, string>, code: string, cause: RegExp, fix: RegExp }][]} */
const failures = [
  [
    'a checkout without a build',
    {
      arrange: () => installMain({ optionalDependencies: undefined }),
      code: 'ERR_NATIVE_MISSING',
      cause: /checkout in which the native file has not been built/,
      fix: /npm run build/,
    },
  ],
  [
    'a platform there is no file for',
    {
      arrange: () => installMain(),
      machine: { process: { platform: 'sunos', arch: 'sparc' } },
      code: 'ERR_NATIVE_PLATFORM',
      cause: new RegExp(`version ${version} has no native file for sunos-sparc; it has ${SHIPPED.join(', ')}`),
      fix: /REMOTE_AGENT_AUTH_BINARY/,
    },
  ],
  [
    'a lock file written where npm saw another platform only',
    {
      arrange: () => {
        installMain();
        write(path.join(folder, 'package-lock.json'), packageLock(['darwin-arm64']));
      },
      code: 'ERR_NATIVE_MISSING',
      cause: /package-lock\.json has no entry for the package/,
      fix: /delete node_modules and the entries/,
    },
  ],
  [
    'a yarn lock file without the package',
    {
      arrange: () => {
        installMain();
        write(
          path.join(folder, 'yarn.lock'),
          `remote-agent-auth@${version}:\n  optionalDependencies:\n    remote-agent-auth-${HERE} "${version}"\n`,
        );
      },
      code: 'ERR_NATIVE_MISSING',
      cause: /yarn\.lock has no entry/,
      fix: /install again/,
    },
  ],
  [
    'an installation without optional packages',
    {
      arrange: () => {
        installMain();
        write(path.join(folder, 'package-lock.json'), packageLock(SHIPPED));
      },
      code: 'ERR_NATIVE_MISSING',
      cause: /optional packages were left out/,
      fix: /without `--omit=optional`/,
    },
  ],
  [
    'an .npmrc that leaves optional packages out',
    {
      arrange: () => {
        installMain();
        write(path.join(folder, '.npmrc'), 'fund=false\nomit=optional\n');
      },
      code: 'ERR_NATIVE_MISSING',
      cause: /\.npmrc says that optional packages are left out/,
      fix: /take that out/,
    },
  ],
  [
    'node_modules of another system',
    {
      arrange: () => {
        installMain();
        installPlatform('darwin-arm64', Buffer.from('a file for macOS'));
      },
      code: 'ERR_NATIVE_MISSING',
      cause: /node_modules has the package for darwin-arm64: it was installed on, or copied from, another platform/,
      fix: /install again on this very platform/,
    },
  ],
  [
    'node_modules of a glibc system on a musl one',
    {
      arrange: () => {
        installMain();
        installPlatform();
      },
      machine: { process: { platform: 'linux' }, ...MUSL },
      code: 'ERR_NATIVE_MISSING',
      cause: /another C library/,
      fix: /install again on this very platform/,
    },
  ],
  [
    'a platform package without its file',
    {
      arrange: () => {
        installMain();
        installPlatform(HERE, null);
      },
      code: 'ERR_NATIVE_MISSING',
      cause: /the package is installed, but the native file in it is not there/,
      fix: /without its \.node files/,
    },
  ],
  [
    'a text where the file should be',
    {
      arrange: () => {
        installMain();
        installPlatform(HERE, Buffer.from('<!DOCTYPE html><title>302 Found</title>'));
      },
      code: 'ERR_NATIVE_FILE',
      cause: /it is no native file \(39 bytes\)/,
      fix: /install again/,
    },
  ],
  [
    'an empty file',
    {
      arrange: () => {
        installMain();
        installPlatform(HERE, Buffer.alloc(0));
      },
      code: 'ERR_NATIVE_FILE',
      cause: /it is no native file \(0 bytes\)/,
      fix: /install again/,
    },
  ],
  [
    'a native file that breaks when it is loaded',
    {
      arrange: () => {
        installMain();
        installPlatform();
      },
      machine: { dlopen: "/lib/libc.so.6: version `GLIBC_2.99' not found (required by x.node)" },
      code: 'ERR_NATIVE_FILE',
      cause: /the C library of this system is older than the file needs \(GLIBC_2\.99\)/,
      fix: /install again/,
    },
  ],
  [
    'a file of another version',
    {
      arrange: () => {
        installMain({ version: '0.0.9' });
        installPlatform();
      },
      code: 'ERR_NATIVE_VERSION',
      cause: new RegExp(`the JavaScript is version 0\\.0\\.9, the native file is ${version}`),
      fix: /pin the platform package/,
    },
  ],
  [
    'another addon, which has a version but not our function',
    {
      arrange: () => {
        installMain();
        installPlatform();
      },
      machine: { exports: { version } },
      code: 'ERR_NATIVE_VERSION',
      cause: /the native file tells none/,
      fix: /install again/,
    },
  ],
  [
    'a file with the exports that panic',
    {
      arrange: () => {
        installMain();
        installPlatform();
      },
      machine: { exports: { panicInFunction: null } },
      code: 'ERR_NATIVE_FILE',
      cause: /the exports that only the tests of panics have/,
      fix: /install again/,
    },
  ],
  [
    'a named file that does not exist, a good package beside it',
    {
      arrange: () => {
        installMain();
        installPlatform();
      },
      env: { REMOTE_AGENT_AUTH_BINARY: 'elsewhere.node' },
      code: 'ERR_NATIVE_MISSING',
      cause: /there is no such file/,
      fix: /correct the variable REMOTE_AGENT_AUTH_BINARY, or unset it/,
    },
  ],
  [
    'a named folder',
    {
      arrange: () => {
        installMain();
        installPlatform();
        fs.mkdirSync(path.join(folder, 'own.node'));
      },
      env: { REMOTE_AGENT_AUTH_BINARY: 'own.node' },
      code: 'ERR_NATIVE_FILE',
      cause: /EISDIR/,
      fix: /REMOTE_AGENT_AUTH_BINARY/,
    },
  ],
  [
    'a named file that Node would run as JavaScript',
    {
      arrange: () => {
        installMain();
        write(path.join(folder, 'own.js'), 'module.exports = {};');
      },
      env: { REMOTE_AGENT_AUTH_BINARY: 'own.js' },
      code: 'ERR_NATIVE_FILE',
      cause: /the name of a native file ends in \.node/,
      fix: /REMOTE_AGENT_AUTH_BINARY/,
    },
  ],
  [
    'a named file of another version, a good package beside it',
    {
      arrange: () => {
        installMain({ version: '0.0.9' });
        link(path.join(folder, 'own.node'), BUILT);
      },
      env: { REMOTE_AGENT_AUTH_BINARY: 'own.node' },
      code: 'ERR_NATIVE_VERSION',
      cause: /the JavaScript is version 0\.0\.9/,
      fix: /REMOTE_AGENT_AUTH_BINARY/,
    },
  ],
  [
    'a broken local build, a good package beside it',
    {
      arrange: () => {
        installMain();
        installPlatform();
        write(modules('remote-agent-auth', String(builtName)), 'half written');
      },
      code: 'ERR_NATIVE_FILE',
      cause: /it is no native file/,
      fix: /npm run build/,
    },
  ],
];

/** @type {typeof failures} */
const onLinux = [
  [
    'a file that was cut short',
    {
      arrange: () => {
        installMain();
        installPlatform(HERE, built().subarray(0, 1_000_000));
      },
      code: 'ERR_NATIVE_FILE',
      cause: /cut short: its header speaks of more bytes than it has \(1000000 bytes\)/,
      fix: /install again/,
    },
  ],
  [
    'a file for another processor',
    {
      arrange: () => {
        installMain();
        installPlatform(HERE, header(process.arch === 'x64' ? 183 : 62));
      },
      code: 'ERR_NATIVE_FILE',
      cause: /it is a file for Linux on (arm64|x64), and this is linux on/,
      fix: /install again on this very platform/,
    },
  ],
  [
    'a file for another operating system',
    {
      arrange: () => {
        installMain();
        installPlatform(HERE, mach());
      },
      code: 'ERR_NATIVE_FILE',
      cause: /it is a file for macOS on arm64/,
      fix: /install again on this very platform/,
    },
  ],
  [
    'a file for the other C library',
    {
      arrange: () => {
        installMain();
        installPlatform(HERE, header());
      },
      code: 'ERR_NATIVE_FILE',
      cause: /it is linked for the C library musl, and this Node runs on gnu/,
      fix: /install again on this very platform/,
    },
  ],
  [
    'a library that is no addon',
    {
      arrange: () => {
        installMain();
        installPlatform(HERE, fs.readFileSync(someLibrary()));
      },
      code: 'ERR_NATIVE_FILE',
      cause: /it is a native file, but no Node addon/,
      fix: /install again/,
    },
  ],
];

let refused = 0;

async function refuses({ arrange, machine, env, code, cause, fix }) {
  arrange();
  for (const entry of ['remote-agent-auth', 'remote-agent-auth/native', 'remote-agent-auth/librechat']) {
    const outcome = await load({ ...machine, entry }, env);
    expect(outcome).toEqual({
      code,
      message: expect.any(String),
      cause: outcome.cause,
      reports: 0,
      warnings: outcome.warnings,
    });
    const [first, lookedFor, reason, advice, ...rest] = outcome.message.split('\n');
    expect([first, rest]).toEqual([
      expect.stringMatching(/^remote-agent-auth: the native file for \S+ could not be loaded\.$/),
      [],
    ]);
    expect(lookedFor).toMatch(/^ {2}Looked for: \//);
    expect(reason).toMatch(/^ {2}Cause: /);
    expect(reason).toMatch(cause);
    expect(advice).toMatch(/^ {2}What to do: /);
    expect(advice).toMatch(fix);
  }
  refused += 1;
}

test.each(failures)('refuses %s, and says why', (_name, given) => refuses(given));

describeWith('Linux', process.platform === 'linux' ? undefined : 'ELF files are looked into', { required: true })(
  'on Linux',
  () => {
    test.each(onLinux)('refuses %s, and says why', (_name, given) => refuses(given));

    test('knows a file that was cut short wherever it was cut, because loading it may end the process', () => {
      const bytes = built();
      const cuts = [
        bytes.length - 1,
        ...Array.from({ length: 40 }, (_, n) => Math.floor((bytes.length * n) / 40)),
        63,
        64,
        4096,
      ];
      for (const size of cuts) {
        write(path.join(folder, 'cut.node'), bytes.subarray(0, size));
        expect([size, inspectNativeFile(path.join(folder, 'cut.node')).whole]).toEqual([size, false]);
      }
      expect(inspectNativeFile(BUILT)).toEqual({ format: 'elf', arch: process.arch, size: bytes.length, whole: true });
    });

    test('asks the report for the C library where /proc cannot be read', async () => {
      installMain();
      installPlatform();
      const glibc = { maps: null, report: { header: { glibcVersionRuntime: '2.36' } } };
      expect(await load(glibc)).toMatchObject({ exports: expect.any(Number), reports: 1 });
      expect(await load({ maps: null })).toMatchObject({
        code: 'ERR_NATIVE_MISSING',
        message: expect.stringContaining(OTHER_LIBC),
      });
    });
  },
);

test('S39: whatever is wrong with the file, nothing else answers in its place', () => {
  const cases = failures.length + (process.platform === 'linux' ? onLinux.length : 0);
  score(
    'S39',
    `${refused} of ${cases} kinds of missing, damaged or wrong file refused at load by each of 3 entries`,
    'all',
    refused === cases,
  );
});
