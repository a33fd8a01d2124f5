'use strict';

// Every check on a file that is to be shipped, seen to pass and seen to fail.

const { existsSync, readFileSync } = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { readBinary } = require('../../scripts/platforms/binary-format/index.js');
const { highestGlibc, problemsOf, runProblems } = require('../../scripts/platforms/check-binary.js');
const { platformNamed } = require('../../scripts/platforms/table.js');
const { trial } = require('../../scripts/platforms/run.js');
const { elf, machO, pe } = require('../support/binaries.js');

const ENTRY = 'napi_register_module_v1';
const gnu = platformNamed('linux-x64-gnu');
const musl = platformNamed('linux-x64-musl');
const glibc = (name, version, weak) => ({ name, version: `GLIBC_${version}`, weak });

/** A file that is fit, but for what a test changes. */
const forGnu = (change = {}) => {
  const imports = [glibc('malloc', '2.2.5'), glibc('memcpy', '2.14'), { name: 'statx', weak: true }];
  return elf({ imports, exports: [ENTRY], libraries: ['libc.so.6'], text: 'createRemoteAgentAuth', ...change });
};
const forMusl = (change = {}) => {
  const imports = [{ name: 'malloc' }, { name: 'napi_create_object' }];
  return elf({ imports, exports: [ENTRY], libraries: ['libc.so'], text: 'createRemoteAgentAuth', ...change });
};
const forWindows = (change = {}) => pe({ exports: [ENTRY], text: 'createRemoteAgentAuth', ...change });
const forMac = (change = {}) =>
  machO({ imports: ['malloc'], exports: [ENTRY], text: 'createRemoteAgentAuth', ...change });

describe('a file that is fit has no problems', () => {
  test.each([
    ['glibc', forGnu(), gnu],
    ['glibc, arm64', forGnu({ machine: 183 }), platformNamed('linux-arm64-gnu')],
    ['musl', forMusl(), musl],
    ['Windows', forWindows(), platformNamed('win32-x64-msvc')],
    [
      'Windows, with what AWS-LC exports',
      forWindows({ exports: ['aws_lc_0_1_0_jent_version', ENTRY] }),
      platformNamed('win32-x64-msvc'),
    ],
    ['macOS', forMac(), platformNamed('darwin-arm64')],
  ])('%s', (_what, bytes, platform) => {
    expect(problemsOf(bytes, platform)).toEqual([]);
  });
});

describe('what a file must not be is found', () => {
  test.each([
    ['another architecture', forGnu({ machine: 183 }), gnu, 'is for arm64, wanted x64'],
    ['an unknown architecture', forGnu({ machine: 243 }), gnu, 'is for machine 243, wanted x64'],
    ['another format', forWindows(), gnu, 'is pe, wanted elf'],
    ['a program', forGnu({ type: 2 }), gnu, 'is no shared library'],
    ['not stripped', forGnu({ sections: ['.symtab'] }), gnu, 'is not stripped'],
    ['with debug information', forGnu({ sections: ['.debug_info'] }), gnu, 'is not stripped'],
    [
      'a newer glibc',
      forGnu({ imports: [glibc('dlsym', '2.34')] }),
      gnu,
      'asks for dlsym@GLIBC_2.34: glibc 2.17 does not have it',
    ],
    [
      'for musl given as for glibc',
      forGnu({ imports: [{ name: 'malloc' }] }),
      gnu,
      'asks for no glibc symbol: not linked to glibc at all',
    ],
    [
      'for glibc given as for musl',
      forMusl({ imports: [glibc('malloc', '2.2.5')] }),
      musl,
      "asks for malloc@GLIBC_2.2.5: versioned symbols are glibc's, this is for musl",
    ],
    [
      'a library few systems have',
      forGnu({ libraries: ['libc.so.6', 'libgcc_s.so.1'] }),
      gnu,
      'needs libgcc_s.so.1, which not every such system has',
    ],
    [
      "the other libc's library",
      forMusl({ libraries: ['libc.so.6'] }),
      musl,
      'needs libc.so.6, which not every such system has',
    ],
    [
      'a function of nobody',
      forMusl({ imports: [{ name: '__gxx_personality_v0' }] }),
      musl,
      'asks for __gxx_personality_v0: neither Node-API nor on the list of musl functions',
    ],
    [
      'a weak function of nobody',
      forMusl({ imports: [{ name: 'malloc' }, { name: 'before_every_check', weak: true }] }),
      musl,
      'asks for before_every_check: neither Node-API nor on the list of musl functions',
    ],
    [
      'a function that is only looked for, asked for',
      forMusl({ imports: [{ name: 'statx' }] }),
      musl,
      'asks for statx: neither Node-API nor on the list of musl functions',
    ],
    ['an export too many', forGnu({ exports: [ENTRY, 'helper'] }), gnu, `exports helper besides ${ENTRY}`],
    [
      'an export of AWS-LC',
      forGnu({ exports: [ENTRY, 'aws_lc_0_1_0_jent_version'] }),
      gnu,
      `exports aws_lc_0_1_0_jent_version besides ${ENTRY}`,
    ],
    ['without its entry', forGnu({ exports: [] }), gnu, `does not export ${ENTRY}`],
    ['another addon', forGnu({ text: '' }), gnu, 'does not hold the name createRemoteAgentAuth: another library'],
    [
      'the probe of panics',
      forGnu({ text: 'createRemoteAgentAuth panicInFunction' }),
      gnu,
      'holds the exports of the feature panic-probe',
    ],
    [
      'a path of the builder',
      forGnu({ text: `createRemoteAgentAuth ${os.homedir()}/.cargo/registry` }),
      gnu,
      `holds a path of the machine that built it: ${os.homedir()}/`,
    ],
    ['an executable stack', forGnu({ stackFlags: 7 }), gnu, 'has an executable stack'],
    ['writable code', forGnu({ codeFlags: 7 }), gnu, 'has writable code'],
    ['writable relocation tables', forGnu({ relro: false }), gnu, 'has relocation tables left writable'],
    ['a search path of its own', forGnu({ tags: [29] }), gnu, 'has a library search path of its own'],
    ['relocations in code', forGnu({ tags: [22] }), gnu, 'has relocations in code'],
    [
      'too large',
      Buffer.concat([forGnu(), Buffer.alloc(13_000_000)]),
      gnu,
      expect.stringMatching(/bytes, more than 13000000$/),
    ],
    ['cut short', forGnu().subarray(0, 500), gnu, expect.stringMatching(/^cannot be read: /)],
    [
      'no native file',
      Buffer.from('module.exports = {}'.repeat(10)),
      gnu,
      'cannot be read: neither ELF nor PE nor Mach-O of 64 bits',
    ],
    ['empty', Buffer.alloc(0), gnu, 'cannot be read: too short for a native file'],
    [
      'Windows: a program',
      forWindows({ characteristics: 0x22 }),
      platformNamed('win32-x64-msvc'),
      'is no shared library',
    ],
    ['Windows: symbols', forWindows({ symbols: 0x400 }), platformNamed('win32-x64-msvc'), 'is not stripped'],
    [
      'Windows: writable code',
      forWindows({ sectionFlags: 0xa0000020 }),
      platformNamed('win32-x64-msvc'),
      'has writable code',
    ],
    [
      'Windows: a library of the compiler',
      forWindows({ library: 'libgcc_s_seh-1.dll' }),
      platformNamed('win32-x64-msvc'),
      'needs libgcc_s_seh-1.dll, which not every such system has',
    ],
    [
      'Windows: without its entry',
      forWindows({ exports: [] }),
      platformNamed('win32-x64-msvc'),
      `does not export ${ENTRY}`,
    ],
    ['macOS: the other cpu', forMac(), platformNamed('darwin-x64'), 'is for arm64, wanted x64'],
    ['macOS: local symbols', forMac({ local: ['verify'] }), platformNamed('darwin-arm64'), 'is not stripped'],
    [
      'macOS: a search path',
      forMac({ rpath: true }),
      platformNamed('darwin-arm64'),
      'has a library search path of its own',
    ],
    [
      'macOS: a library of somebody',
      forMac({ libraries: ['/opt/homebrew/lib/libssl.3.dylib'] }),
      platformNamed('darwin-arm64'),
      'needs /opt/homebrew/lib/libssl.3.dylib, which not every such system has',
    ],
  ])('%s', (_what, bytes, platform, problem) => {
    expect(problemsOf(bytes, platform)).toContainEqual(problem);
  });
});

test('of glibc versions the highest counts as a version, not as a text', () => {
  const binary = readBinary(
    forGnu({ imports: [glibc('a', '2.9'), glibc('b', '2.14'), glibc('c', '2.2.5'), { name: 'd' }] }),
  );
  expect(highestGlibc(binary)).toBe('2.14');
});

describe('what a file says and does when it runs', () => {
  const figures = { version: '1.2.3', probes: [], arch: 'x64' };
  test.each([
    ['all well', figures, []],
    ['another version', { ...figures, version: '1.2.2' }, ['reports version 1.2.2, package.json has 1.2.3']],
    ['the probe of panics', { ...figures, probes: ['panicInFunction'] }, ['exports panicInFunction']],
    ['another machine', { ...figures, arch: 'arm64' }, ['ran on arm64']],
  ])('%s', (_what, found, problems) => {
    expect(runProblems(found, gnu, '1.2.3')).toEqual(problems);
  });
});

const development = path.join(__dirname, '..', '..', 'remote-agent-auth.linux-x64-gnu.node');
const testWithAddon = existsSync(development) ? test : test.skip;

testWithAddon('[needs the addon of Linux x64] a development build is not fit to be shipped', () => {
  const bytes = readFileSync(development);
  expect(readBinary(bytes)).toMatchObject({ format: 'elf', cpu: 'x64', shared: true, exports: [ENTRY], hazards: [] });
  const problems = problemsOf(bytes, gnu);
  expect(problems).toContainEqual(expect.stringMatching(/^asks for \w+@GLIBC_2\.\d+: glibc 2\.17 does not have it$/));
  expect(problems).toContainEqual(expect.stringMatching(/^needs libgcc_s\.so\.1, /));
});

describe('the trial in a Node of the platform', () => {
  testWithAddon('[needs the addon of Linux x64] reports what the file did', () => {
    const result = trial(development, [process.execPath]);
    expect(result).toEqual({
      figures: expect.objectContaining({
        node: process.versions.node,
        arch: 'x64',
        version: require('../../package.json').version,
      }),
    });
    expect(result.figures.algorithms).toEqual(['RS256', 'PS384', 'ES256', 'ES384', 'EdDSA']);
  });

  test('fails over a file that cannot be loaded, and says why', () => {
    expect(trial(__filename, [process.execPath])).toEqual({ problem: expect.stringContaining('ERR_NATIVE_FILE') });
  });

  test('fails over a Node that cannot be started', () => {
    expect(trial(development, ['/nonexistent/node'])).toEqual({ problem: expect.stringContaining('ENOENT') });
  });
});
