// Bundles an application that uses the installed package, with the native file where the bundler can take it along, and starts what it
// made away from every node_modules. `node bundlers.mjs APPLICATION NATIVE_FILE SCRATCH`; a line of JSON each.

import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import commonjs from '@rollup/plugin-commonjs';
import json from '@rollup/plugin-json';
import resolve from '@rollup/plugin-node-resolve';
import { build } from 'esbuild';
import { rollup } from 'rollup';

const require = createRequire(import.meta.url);
const [entry, nativeFile, scratch] = process.argv.slice(2);

/** @param {Function} bundler webpack, or what takes the same options @param {string} out */
async function packed(bundler, out) {
  const rules = [{ test: /\.node$/, loader: require.resolve('node-loader'), options: { name: '[name].[ext]' } }];
  const options = {
    mode: 'production',
    target: 'node',
    entry,
    output: { path: out, filename: 'app.js' },
    module: { rules },
  };
  const stats = await new Promise((done, fail) =>
    bundler(options, (error, result) => (error ? fail(error) : done(result))),
  );
  if (stats.hasErrors()) throw new Error(stats.toString());
}

/** @param {string} loader @returns {(out: string) => Promise<unknown>} */
const esbuild = (loader) => (out) =>
  build({
    entryPoints: { app: entry },
    bundle: true,
    platform: 'node',
    outdir: out,
    loader: { '.node': loader },
    logLevel: 'silent',
  });

/** Every file it made. @param {string} out */
async function ncc(out) {
  const { code, assets } = await require('@vercel/ncc')(entry, { quiet: true });
  writeFileSync(path.join(out, 'app.js'), code);
  for (const [name, { source }] of Object.entries(assets)) writeFileSync(path.join(out, name), source);
}

/** It has no way to take a native file along: that is copied beside. @param {string} out */
async function rolled(out) {
  const plugins = [resolve({ preferBuiltins: true }), commonjs(), json()];
  const bundle = await rollup({ input: entry, plugins, external: /^remote-agent-auth-/ });
  await bundle.write({ file: path.join(out, 'app.js'), format: 'cjs' });
  await bundle.close();
  copyFileSync(nativeFile, path.join(out, path.basename(nativeFile)));
}

const BUNDLERS = {
  'esbuild, .node: copy': esbuild('copy'),
  'esbuild, .node: file': esbuild('file'),
  'webpack, node-loader': (out) => packed(require('webpack'), out),
  'rspack, node-loader': (out) => packed(require('@rspack/core').rspack, out),
  '@vercel/ncc': ncc,
  'rollup, commonjs': rolled,
};

for (const [name, make] of Object.entries(BUNDLERS)) {
  const id = name.replace(/\W+/g, '-');
  const out = path.join(scratch, 'made', id);
  const away = path.join(scratch, 'away', id);
  mkdirSync(out, { recursive: true });
  try {
    await make(out);
    cpSync(out, away, { recursive: true });
    const { stdout, stderr } = spawnSync(process.execPath, [path.join(away, 'app.js')], {
      cwd: away,
      encoding: 'utf8',
    });
    console.log(JSON.stringify({ name, ok: stdout === 'someone\n', detail: stdout + stderr }));
  } catch (error) {
    console.log(JSON.stringify({ name, ok: false, detail: String(error) }));
  }
}
