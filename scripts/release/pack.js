#!/usr/bin/env node
'use strict';

// Makes the tarballs that are published: the main package, and that of every platform whose native file is in npm/<name>/.
//   node scripts/release/pack.js [--local] [--out FOLDER] [NAME...]
// Names choose platforms. `--local` takes this checkout's own build where npm/<name>/ has no file: for trying out, never for a release.
// The packed main manifest names the platform packages of its exact version as optional; the one in the repository does not, so that
// `npm ci` in a checkout asks for nothing that is not published yet.

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { parseArgs } = require('node:util');
const { fileName, packageName, platformNamed, platforms } = require('../platforms/table');

const ROOT = path.join(__dirname, '..', '..');
const OUT = path.join(ROOT, 'target', 'packages');
const windows = process.platform === 'win32';

/** @typedef {{ name: string, file: string, bytes: number, unpackedBytes: number }} Tarball */

/** @param {string[]} args @param {string} cwd @returns {any} */
function npmPack(args, cwd) {
  const all = ['pack', '--json', '--ignore-scripts', '--loglevel=error', ...args];
  return JSON.parse(execFileSync(windows ? 'npm.cmd' : 'npm', all, { cwd, encoding: 'utf8', shell: windows }));
}

/** @param {string} folder @param {string} out @returns {Tarball} */
function packed(folder, out) {
  const [{ name, filename, size, unpackedSize }] = npmPack([`--pack-destination=${out}`], folder);
  return { name, file: path.join(out, filename), bytes: size, unpackedBytes: unpackedSize };
}

/** What a packed main manifest says; what is for checkouts alone is left out. */
function mainManifest() {
  const { scripts, devDependencies, napi, ...manifest } = JSON.parse(
    fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8'),
  );
  const optionalDependencies = Object.fromEntries(platforms.map(({ name }) => [packageName(name), manifest.version]));
  return { ...manifest, optionalDependencies };
}

/** @param {string} folder @param {string} file @param {unknown} manifest */
function writeManifest(folder, file, manifest) {
  fs.writeFileSync(path.join(folder, file), `${JSON.stringify(manifest, null, 2)}\n`);
}

/** @param {string} stage @returns {string} the folder of the main package, as it is packed */
function stageMain(stage) {
  const folder = path.join(stage, 'remote-agent-auth');
  const [{ files }] = npmPack(['--dry-run'], ROOT);
  for (const { path: file } of /** @type {{ path: string }[]} */ (files)) {
    fs.cpSync(path.join(ROOT, file), path.join(folder, file), { recursive: true });
  }
  writeManifest(folder, 'package.json', mainManifest());
  return folder;
}

/** @param {string} stage @param {string} name @param {string} nativeFile @returns {string} */
function stagePlatform(stage, name, nativeFile) {
  const folder = path.join(stage, packageName(name));
  fs.mkdirSync(folder);
  for (const file of ['package.json', 'README.md'])
    fs.copyFileSync(path.join(ROOT, 'npm', name, file), path.join(folder, file));
  // The crates whose texts these are, are linked into the file.
  for (const file of ['LICENSE', 'THIRD-PARTY-NOTICES.md'])
    fs.copyFileSync(path.join(ROOT, file), path.join(folder, file));
  fs.copyFileSync(nativeFile, path.join(folder, fileName(name)));
  return folder;
}

/**
 * @param {string} name
 * @param {boolean} local
 * @returns {string | undefined} the native file of a platform, if it has been built
 */
function nativeFileOf(name, local) {
  const places = [path.join(ROOT, 'npm', name), ...(local ? [ROOT] : [])];
  return places.map((folder) => path.join(folder, fileName(name))).find((file) => fs.existsSync(file));
}

/**
 * @param {{ out?: string, names?: string[], local?: boolean }} [options]
 * @returns {Tarball[]} the main one first
 */
function pack({ out = OUT, names, local = false } = {}) {
  const chosen = (names ?? platforms.map(({ name }) => name)).map((name) => platformNamed(name).name);
  const built = chosen.flatMap((name) => {
    const file = nativeFileOf(name, local);
    if (names && !file)
      throw new Error(`${fileName(name)} is not there: build it with \`npm run build:platforms -- ${name}\``);
    return file ? [{ name, file }] : [];
  });
  if (built.length === 0) throw new Error('No platform has been built: `npm run build:platforms -- <names>` does that');

  fs.mkdirSync(out, { recursive: true });
  for (const file of fs.readdirSync(out)) if (file.endsWith('.tgz')) fs.rmSync(path.join(out, file));
  const stage = fs.mkdtempSync(path.join(out, 'stage-'));
  try {
    return [
      packed(stageMain(stage), out),
      ...built.map(({ name, file }) => packed(stagePlatform(stage, name, file), out)),
    ];
  } finally {
    fs.rmSync(stage, { recursive: true });
  }
}

module.exports = { mainManifest, nativeFileOf, pack, stageMain };

if (require.main === module) {
  const { values, positionals } = parseArgs({
    options: { local: { type: 'boolean' }, out: { type: 'string' } },
    allowPositionals: true,
  });
  try {
    const names = positionals.length > 0 ? positionals : undefined;
    const out = values.out ? path.resolve(values.out) : OUT;
    for (const { name, file, bytes, unpackedBytes } of pack({ out, names, local: values.local })) {
      console.log(
        `${name}  ${(bytes / 1e6).toFixed(2)} MB packed, ${(unpackedBytes / 1e6).toFixed(2)} MB unpacked  ${path.relative('', file)}`,
      );
    }
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
