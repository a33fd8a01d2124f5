#!/usr/bin/env node
'use strict';

// `npm run build:platforms -- [names]`: the release file of each platform named, at npm/<name>/remote-agent-auth.<name>.node.
// Without names: those that a Linux x64 machine can build and run. Tools come from package registries alone: cargo-zigbuild and zig
// (compiler and linker for every target) from PyPI, into target/tools; Rust's standard library of a target that the toolchain
// in use does not hold, from Debian's rust-web-src. On macOS and Windows the machine's own platforms are built with its own tools.

const { spawnSync } = require('node:child_process');
const { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { install, installFromDebian, installZig, PYTHON_TOOLS, tools } = require('./tools.js');
const { fileName, platformNamed, platforms } = require('./table.js');
const { putInPlace, say, SetupError, root } = require('../build/setup.js');

/** @typedef {import('./table.js').Platform} Platform */
/** @typedef {{ target: string, command: string, args: string[], flags: string[], env: Record<string, string>, output: string, how: string }} Recipe */

const DEBIAN_TOOLS = ['rustc-web', 'rust-web-src'];
const DEBIAN_RUSTC = '/usr/bin/rustc';
const DEBIAN_SOURCE = '/usr/lib/rustlib/src/rust/library/Cargo.lock';

/** What zig links in the place of a target whose own linker and libraries are not to be had. @type {Record<string, string>} */
const LINKED_AS = { 'x86_64-pc-windows-msvc': 'x86_64-pc-windows-gnu' };

/**
 * The output of a tool, or undefined where it fails.
 * @param {string} command
 * @param {string[]} args
 */
function asked(command, args) {
  const run = spawnSync(command, args, { cwd: root, encoding: 'utf8' });
  return run.status === 0 ? run.stdout.trim() : undefined;
}

function installDebianRust() {
  if (!existsSync(DEBIAN_RUSTC) || !existsSync(DEBIAN_SOURCE)) installFromDebian(DEBIAN_TOOLS);
}

/** Whether the toolchain in use holds the standard library of a target, as after `rustup target add`. @param {string} target */
function hasStandardLibrary(target) {
  const folder = asked('rustc', ['--print', 'target-libdir', '--target', target]);
  return folder !== undefined && existsSync(folder);
}

/**
 * What every file is compiled with. Paths of the machine that builds do not belong in what is shipped.
 * @param {Recipe} recipe
 */
function rustFlags({ target, flags: own }) {
  const cargoHome = process.env.CARGO_HOME ?? path.join(os.homedir(), '.cargo');
  const flags = [
    `--remap-path-prefix=${path.join(cargoHome, 'registry', 'src')}=/registry`,
    `--remap-path-prefix=${path.dirname(DEBIAN_SOURCE)}=/library`,
    `--remap-path-prefix=${root}=/remote-agent-auth`,
  ];
  // A cdylib for musl is linked to the libc of the process that loads it.
  if (target.endsWith('-musl')) flags.push('-Ctarget-feature=-crt-static');
  if (target.endsWith('-msvc')) flags.push('-Ctarget-feature=+crt-static');
  // By itself the linker writes into the file where it was made.
  if (target.endsWith('-darwin')) flags.push('-Clink-arg=-Wl,-install_name,@rpath/remote-agent-auth.node');
  return [...flags, ...own].join('\x1f');
}

// Only with the one crate type does cargo apply `lto = "fat"`: an rlib beside the cdylib switches it off without a word.
const RUSTC_ARGS = ['rustc', '--locked', '--release', '--lib', '--crate-type', 'cdylib'];

/** @param {Platform} platform @returns {string} the name cargo gives to a cdylib of this platform */
function libraryName({ os: system }) {
  return { linux: 'libremote_agent_auth.so', darwin: 'libremote_agent_auth.dylib', win32: 'remote_agent_auth.dll' }[
    system
  ];
}

/** @param {Platform} platform @returns {Recipe} on the platform's own kind of machine */
function ownRecipe(platform) {
  const { target } = platform;
  const folder = path.join(root, 'target', 'platforms', 'own');
  return {
    target,
    command: 'cargo',
    args: [...RUSTC_ARGS, '--target', target, '--target-dir', folder],
    flags: [],
    env: {},
    output: path.join(folder, target, 'release', libraryName(platform)),
    how: `${asked('rustc', ['--version'])}, the machine's own linker`,
  };
}

/**
 * What the file exports, in the form a linker of Windows reads. rustc says it in a way that cargo-zigbuild does not pass on.
 * @returns {string} a path
 */
function windowsExports() {
  const file = path.join(tools, 'exports.def');
  writeFileSync(file, 'EXPORTS\n  napi_register_module_v1\n');
  return file;
}

/**
 * What a Windows file is linked to and takes nothing from, made empty here: Node itself, whose libnode.dll napi's build script
 * looks for, while Node-API is looked up when the file is loaded; and what gcc's runtime brings for `-fstack-protector`, which is part of zig's.
 * @param {string} zig
 * @returns {string} their folder
 */
function emptyWindowsLibraries(zig) {
  const folder = path.join(tools, 'empty-windows-libraries');
  const names = ['libnode.a', 'libssp_nonshared.a'];
  if (names.every((name) => existsSync(path.join(folder, name)))) return folder;
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'libnode.dll'), '');
  const python = path.join(zig, 'python');
  for (const name of names)
    install(`an empty ${name}, made here`, python, ['-m', 'ziglang', 'ar', 'crs', name], folder);
  return folder;
}

/**
 * The arguments of zig's linker beside those that rustc gives. For macOS rustc would strip the file with a tool that few machines have.
 * @param {Platform} platform
 */
function linkerFlags({ os: system }) {
  if (system === 'win32') return [`-Clink-arg=${windowsExports()}`];
  return system === 'darwin' ? ['-Cstrip=none', '-Clink-arg=-s'] : [];
}

/** @param {Platform} platform @returns {Recipe} with zig as the compiler of C and as the linker */
function zigRecipe(platform) {
  const zig = installZig();
  const target = LINKED_AS[platform.target] ?? platform.target;
  const own = hasStandardLibrary(target);
  if (!own) installDebianRust();
  const folder = path.join(root, 'target', 'platforms', own ? 'rustup' : 'debian');
  const zigTarget = platform.glibc ? `${target}.${platform.glibc}` : target;
  const built = own ? [] : ['-Z', 'build-std=std,panic_unwind'];
  const rust = own
    ? asked('rustc', ['--version'])
    : `Debian's ${asked(DEBIAN_RUSTC, ['--version'])}, standard library built from source`;
  return {
    target,
    command: path.join(zig, 'cargo-zigbuild'),
    args: [...RUSTC_ARGS, ...built, '--target', zigTarget, '--target-dir', folder],
    flags: linkerFlags(platform),
    env: {
      PATH: `${zig}${path.delimiter}${process.env.PATH}`,
      XDG_CACHE_HOME: path.join(tools, 'cache'),
      ...(platform.os === 'win32' && { LIBNODE_PATH: emptyWindowsLibraries(zig) }),
      // Building the standard library is unstable on every toolchain; this source is that compiler's own.
      ...(!own && { RUSTC: DEBIAN_RUSTC, RUSTC_BOOTSTRAP: '1' }),
    },
    output: path.join(folder, target, 'release', libraryName(platform)),
    how: `${rust}, ${PYTHON_TOOLS.join(', ')}${target === platform.target ? '' : `, as ${target}`}`,
  };
}

/**
 * Whether this machine is of the platform's kind and its own linker will do. For glibc it will not: the floor would be this machine's.
 * @param {Platform} platform
 */
function isOwnMachine({ os: system, cpu, libc }) {
  if (process.platform !== system) return false;
  if (system !== 'linux') return true;
  return libc === 'musl' && cpu === process.arch && /\/ld-musl-/.test(readFileSync('/proc/self/maps', 'latin1'));
}

/** @param {string} name */
function build(name) {
  const platform = platformNamed(name);
  const started = Date.now();
  const own = isOwnMachine(platform);
  const recipe = own ? ownRecipe(platform) : zigRecipe(platform);
  say(`build   ${name}: ${recipe.how}`);
  const oldest = platform.macos && { MACOSX_DEPLOYMENT_TARGET: platform.macos };
  const env = { ...process.env, ...recipe.env, ...oldest, CARGO_ENCODED_RUSTFLAGS: rustFlags(recipe) };
  const run = spawnSync(recipe.command, recipe.args, { cwd: root, env, stdio: ['ignore', 'inherit', 'inherit'] });
  if (run.status !== 0) throw new SetupError(`${name} did not build: ${recipe.command} ${recipe.args.join(' ')}`);

  const file = path.join(root, 'npm', name, fileName(name));
  putInPlace(recipe.output, file);
  const megabytes = (statSync(file).size / 1e6).toFixed(1);
  const proof = own || platform.status === 'run' ? '' : '; linked, not run';
  say(`built   ${path.relative(root, file)}, ${megabytes} MB, ${Math.round((Date.now() - started) / 1000)} s${proof}`);
}

if (require.main === module) {
  const runnable = platforms.filter(({ status }) => status === 'run').map(({ name }) => name);
  const named = process.argv.slice(2);
  try {
    for (const name of named.length > 0 ? named : runnable) build(name);
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    say(`\nbuild:platforms failed: ${error.message}`);
    process.exitCode = 1;
  }
}
