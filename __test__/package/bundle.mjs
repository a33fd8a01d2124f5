// Builds a package as LibreChat builds packages/api: rollup with TypeScript, JSON and CommonJS, peers left out.
// `node bundle.mjs FOLDER TYPES`

import { writeFileSync } from 'node:fs';
import path from 'node:path';
import commonjs from '@rollup/plugin-commonjs';
import json from '@rollup/plugin-json';
import resolve from '@rollup/plugin-node-resolve';
import typescript from '@rollup/plugin-typescript';
import { rollup } from 'rollup';
import peerDepsExternal from 'rollup-plugin-peer-deps-external';

const [folder, types] = process.argv.slice(2);
const problems = [];

const compilerOptions = {
  ...{ strict: true, target: 'ES2022', module: 'ESNext', moduleResolution: 'Bundler', esModuleInterop: true },
  ...{ resolveJsonModule: true, skipLibCheck: true, sourceMap: true, outDir: 'dist' },
  ...{ typeRoots: [types], types: ['node'], paths: { express: [path.join(types, 'express')] } },
};
const tsconfig = path.join(folder, 'tsconfig.json');
writeFileSync(tsconfig, JSON.stringify({ compilerOptions, include: ['src/**/*'] }));

const bundle = await rollup({
  input: path.join(folder, 'src', 'index.ts'),
  plugins: [
    peerDepsExternal({ packageJsonPath: path.join(folder, 'package.json') }),
    resolve({ preferBuiltins: true }),
    commonjs({ esmExternals: true, requireReturnsDefault: 'auto' }),
    json(),
    typescript({ tsconfig }),
  ],
  onwarn: (warning) => problems.push(warning.message),
});
for (const [file, format] of [
  ['index.js', 'cjs'],
  ['index.mjs', 'es'],
]) {
  await bundle.write({ file: path.join(folder, 'dist', file), format, exports: 'named', sourcemap: true });
}
await bundle.close();
if (problems.length > 0) throw new Error(problems.join('\n'));
