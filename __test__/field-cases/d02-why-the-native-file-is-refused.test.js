'use strict';

// Whatever keeps the native file from loading is reported with its true cause, and with what mends it.

const { execFile } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { promisify } = require('node:util');
const { fileName, ownPlatform, packageName } = require('../../scripts/platforms/table');
const { describeWith } = require('../support/needs');
const { nodeOf } = require('../support/nodes');
const { installApplication } = require('../support/packed-application');

const CHILD = path.join(__dirname, '..', 'support', 'children', 'loads.js');
const name = String(ownPlatform());

let folder;
/** Of the application's own. */
let modules;
let application;
beforeAll(() => {
  folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'refused-')));
  application = installApplication(folder);
  modules = path.join(folder, 'node_modules');
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

/** Starts the application in a Node with these flags. */
async function start(node, flags, env = {}) {
  const options = { cwd: folder, env: { PATH: process.env.PATH, ...env } };
  return promisify(execFile)(node, [...flags, application], options).catch((error) => error);
}

/** Loads the package on a machine that is changed as `machine` says. */
async function load(machine, cwd = folder) {
  const { stdout } = await promisify(execFile)(process.execPath, [CHILD, JSON.stringify(machine)], {
    cwd,
    env: { PATH: process.env.PATH },
  });
  return JSON.parse(stdout);
}

for (const major of [20, 22, 24]) {
  const { node, reason } = nodeOf(major);
  const permission = major === 20 ? '--experimental-permission' : '--permission';
  describeWith(`Node ${major}`, reason, { required: true })(`Node ${major}`, () => {
    test('D2 the permission model without leave to load addons is named, with the flag that gives it', async () => {
      const { stderr } = await start(node, [permission, '--allow-fs-read=*']);
      expect(stderr).toMatch(/Cause: Node's permission model is on, and does not allow addons/);
      expect(stderr).toMatch(/What to do: start Node with `--allow-addons` as well/);
      expect(stderr).toMatch(/ERR_NATIVE_FILE/);
      expect(stderr).not.toMatch(/node_modules and install|omit=optional/);
    });

    test('D2 the permission model without leave to read the platform package is named, with the flag that gives it', async () => {
      const own = path.join(modules, 'remote-agent-auth', '*');
      const { stderr } = await start(node, [
        permission,
        '--allow-addons',
        `--allow-fs-read=${application}`,
        `--allow-fs-read=${own}`,
      ]);
      expect(stderr).toContain(
        `Cause: Node's permission model does not let this process read ${path.join(modules, packageName(name))}`,
      );
      expect(stderr).toContain(`--allow-fs-read=${path.join(modules, packageName(name), '*')}`);
      expect(stderr).toMatch(/ERR_NATIVE_FILE/);
    });

    test('D2 what the texts advise is enough', async () => {
      const { stdout } = await start(node, [permission, '--allow-addons', `--allow-fs-read=${path.join(folder, '*')}`]);
      expect(stdout).toBe('someone\n');
    });

    test.each([
      ['the command line', ['--no-addons'], {}],
      ['NODE_OPTIONS', [], { NODE_OPTIONS: '--no-addons' }],
    ])('D2 --no-addons on %s is named', async (_place, flags, env) => {
      const { stderr } = await start(node, flags, env);
      expect(stderr).toMatch(/Cause: Node was told to load no addons \(`--no-addons`\)/);
      expect(stderr).toMatch(/take `--no-addons` out/);
    });
  });
}

/** @type {[string, object, RegExp, RegExp][]} */
const REFUSED = [
  [
    'a file this user may not read',
    { deny: { openSync: 'EACCES' } },
    /the user of this process.* is not allowed to read .*\.node/,
    /chmod/,
  ],
  ['too many open files', { deny: { openSync: 'EMFILE' } }, /no more files can be opened: EMFILE/, /ulimit -n/],
  ['a link that leads nowhere', { deny: { openSync: 'ENOENT' } }, /its name leads to no file/, /install again/],
  [
    'a mount without leave to run code',
    {
      mounts: 'overlay / overlay rw 0 0\ntmpfs MODULES tmpfs rw,nosuid,noexec 0 0\nproc /proc proc rw,noexec 0 0\n',
      dlopen: 'x.node: failed to map segment from shared object',
    },
    /node_modules is mounted with `noexec`/,
    /mount it without `noexec`/,
  ],
  [
    'a system that forbids code from that place',
    {
      mounts: 'overlay / overlay rw 0 0\n',
      dlopen: 'x.node: failed to map segment from shared object: Permission denied',
    },
    /does not let this process run code from it \(SELinux, AppArmor/,
    /allow that, or move node_modules/,
  ],
  ['no memory', { dlopen: 'x.node: Cannot allocate memory' }, /not enough memory/, /more memory/],
  [
    'no room for thread-local data',
    { dlopen: 'x.node: cannot allocate memory in static TLS block' },
    /thread-local data/,
    /GLIBC_TUNABLES/,
  ],
  [
    'an older C library',
    { dlopen: "/lib/libc.so.6: version `GLIBC_2.99' not found (required by x.node)" },
    /older than the file needs \(GLIBC_2\.99\)/,
    /newer system/,
  ],
  [
    'Gatekeeper of macOS',
    { dlopen: "code signature in 'x.node' not valid for use in process: library load disallowed by system policy" },
    /macOS refuses/,
    /quarantine/,
  ],
  [
    'a policy of Windows',
    { dlopen: 'An Application Control policy has blocked this file.' },
    /Windows or a virus scanner/,
    /allow the file/,
  ],
  [
    "Deno's permissions",
    { thrown: { name: 'NotCapable', message: 'Requires ffi access to "x.node", run again with the --allow-ffi flag' } },
    /Deno's permissions/,
    /--allow-ffi/,
  ],
  [
    'anything else',
    { dlopen: 'x.node: something nobody has seen.' },
    /the system says: x\.node: something nobody has seen\.$/,
    /install again/,
  ],
];

test.each(REFUSED)('D2 %s is reported with its true cause', async (_what, machine, cause, fix) => {
  const there = JSON.parse(JSON.stringify(machine).replaceAll('MODULES', modules));
  const { code, message } = await load(there);
  const [, , reason, advice] = message.split('\n');
  expect(code).toBe('ERR_NATIVE_FILE');
  expect(reason).toMatch(cause);
  expect(advice).toMatch(fix);
});

describe('without the platform package anywhere above', () => {
  let alone;
  beforeEach(() => {
    alone = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'alone-')));
    installApplication(alone, { platform: false });
  });
  afterEach(() => fs.rmSync(alone, { recursive: true, force: true }));

  test('D2 a folder this user may not search is not called empty', async () => {
    const { code, message } = await load({ deny: { statSync: 'EACCES' } }, alone);
    expect(code).toBe('ERR_NATIVE_FILE');
    expect(message).toMatch(/Cause: the user of this process.* is not allowed to read/);
    expect(message).not.toMatch(/omit=optional/);
  });

  test('D2 the native file that a bundle lacks is named, and a copy beside the bundle is taken', async () => {
    const bundle = path.join(alone, 'node_modules', 'remote-agent-auth');
    const manifest = JSON.parse(fs.readFileSync(path.join(bundle, 'package.json'), 'utf8'));
    fs.writeFileSync(path.join(bundle, 'package.json'), JSON.stringify({ ...manifest, name: 'server' }));
    const { code, message } = await load({}, alone);
    expect(code).toBe('ERR_NATIVE_MISSING');
    expect(message).toMatch(/Cause: remote-agent-auth was put into a bundle/);
    expect(message).toMatch(
      /What to do: leave remote-agent-auth out of the bundle \(external\), or put .*\.node beside it/,
    );
    fs.copyFileSync(path.join(modules, packageName(name), fileName(name)), path.join(bundle, fileName(name)));
    expect(await load({}, alone)).toMatchObject({ exports: expect.any(Number) });
  });
});
