'use strict';

// What an installed package must do for those who import it: by name from an ES module, in worker threads, in other runtimes, compiled
// strictly, bundled beside; and what the linters of packages say of the tarball.

const { execFile } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { pathToFileURL } = require('node:url');
const { APPLICATION } = require('../support/packed-application');

const ROOT = path.join(__dirname, '..', '..');
const TOOLS = path.join(__dirname, 'node_modules');
const TSC = path.join(TOOLS, 'typescript', 'bin', 'tsc');
/** A child that takes longer hangs; under emulation everything takes ten times as long. */
const TIME_LIMIT_MS = 180_000;

/** @typedef {import('./installation').Installation} Installation */
/** @typedef {{ ok: boolean, figure: string, detail?: string }} TrialResult */

/**
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd: string, env?: NodeJS.ProcessEnv }} options
 * @returns {Promise<{ code: number, stdout: string, stderr: string }>}
 */
function run(command, args, options) {
  return new Promise((resolve) => {
    execFile(command, args, { ...options, timeout: TIME_LIMIT_MS, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
      resolve({ code, stdout, stderr: stderr || (error && code === 1 ? error.message : '') });
    });
  });
}

/** @param {Installation} installation @param {string} name a file of this folder, put into the project @returns {string} */
function place({ folder }, name) {
  const file = path.join(folder, path.basename(name));
  fs.copyFileSync(path.join(__dirname, name), file);
  return file;
}

const EXPECTED = {
  subject: 'someone',
  refused: 'ERR_SIGNATURE_INVALID',
  typed: true,
  native: true,
  functions: Array(7).fill('function'),
};

/**
 * Named imports of all entries, one token let in and one refused.
 * @param {Installation} installation
 * @param {string[]} command the runtime, and its arguments before the file
 * @returns {Promise<TrialResult>}
 */
async function importsByName(installation, [program = '', ...before]) {
  const { folder, env } = installation;
  const { code, stdout, stderr } = await run(program, [...before, place(installation, 'consumer.mjs')], {
    cwd: folder,
    env,
  });
  const ok = code === 0 && stdout.trim() === JSON.stringify(EXPECTED);
  return {
    ok,
    figure: '8 entries by name, 1 token let in, 1 refused',
    detail: ok ? '' : `exit code ${code}\n${stdout}${stderr}`,
  };
}

/** @param {Installation} installation @param {string[]} command @returns {Promise<TrialResult>} */
async function workerThreads(installation, [program = '', ...before]) {
  const { folder, env } = installation;
  const { code, stdout, stderr } = await run(program, [...before, place(installation, 'workers.js')], {
    cwd: folder,
    env,
  });
  const ok = code === 0 && stdout.trim() === JSON.stringify({ passed: 5, of: 5 });
  return {
    ok,
    figure: 'main thread and 4 worker threads, require()',
    detail: ok ? '' : `exit code ${code}\n${stdout}${stderr}`,
  };
}

/** How a host may have TypeScript look for modules. */
const RESOLUTIONS = [
  { module: 'CommonJS', moduleResolution: 'Node10', file: 'consumer.ts' },
  { module: 'NodeNext', moduleResolution: 'NodeNext', file: 'consumer.cts' },
  { module: 'NodeNext', moduleResolution: 'NodeNext', file: 'consumer.mts' },
  { module: 'ESNext', moduleResolution: 'Bundler', file: 'consumer.ts' },
];

/**
 * The installed types, strictly: as a host on Express 4 and 5 uses them, and by themselves with nobody else's types at hand.
 * @param {Installation} installation
 * @returns {Promise<TrialResult>}
 */
async function types({ folder }) {
  const types = path.join(ROOT, 'node_modules', '@types');
  const common = { noEmit: true, strict: true, esModuleInterop: true, target: 'ES2022', lib: ['ES2022'] };
  const hosts = RESOLUTIONS.flatMap(({ file, ...resolution }) =>
    ['express', 'express4'].map((name) => ({
      name: `${resolution.module}, ${resolution.moduleResolution}, ${path.extname(file)}, @types/${name}`,
      file,
      source: fs.readFileSync(path.join(ROOT, '__test__', 'types', 'consumer.ts'), 'utf8'),
      options: {
        ...resolution,
        skipLibCheck: true,
        typeRoots: [types],
        types: ['node'],
        paths: { express: [path.join(types, name)] },
      },
    })),
  );
  const alone = {
    name: 'by themselves',
    file: 'alone.mts',
    source: ['', '/native', '/librechat', '/testing', '/koa', '/nest', '/console', '/metrics', '/stores']
      .map((entry, n) => `export * as entry${n} from 'remote-agent-auth${entry}';\n`)
      .join(''),
    options: { module: 'NodeNext', moduleResolution: 'NodeNext', skipLibCheck: false, types: [] },
  };
  const problems = [];
  for (const { name, file, source, options } of [...hosts, alone]) {
    fs.writeFileSync(path.join(folder, file), source);
    fs.writeFileSync(
      path.join(folder, 'tsconfig.json'),
      JSON.stringify({ compilerOptions: { ...common, ...options }, files: [file] }),
    );
    const { code, stdout } = await run(process.execPath, [TSC, '-p', folder], { cwd: folder });
    if (code !== 0) problems.push(`${name}\n${stdout}`);
    fs.rmSync(path.join(folder, file));
  }
  const count = hosts.length + 1;
  return {
    ok: problems.length === 0,
    figure: `${count - problems.length} of ${count} strict compilations`,
    detail: problems.join('\n'),
  };
}

/**
 * A package like LibreChat's packages/api: rollup leaves ours to Node, and what it wrote runs.
 * @param {Installation} installation
 * @returns {Promise<TrialResult>}
 */
async function bundled({ folder, env }) {
  const project = path.join(folder, 'bundled');
  fs.cpSync(path.join(__dirname, 'bundled'), project, { recursive: true });
  const built = await run(
    process.execPath,
    [path.join(__dirname, 'bundle.mjs'), project, path.join(ROOT, 'node_modules', '@types')],
    { cwd: project },
  );
  if (built.code !== 0) return { ok: false, figure: 'rollup failed', detail: built.stdout + built.stderr };
  const outputs = [];
  const problems = [];
  for (const [file, named] of /** @type {const} */ ([
    ['index.js', 'require'],
    ['index.mjs', 'from'],
  ])) {
    const output = path.join(project, 'dist', file);
    const text = fs.readFileSync(output, 'utf8');
    const external = ['', '/native', '/librechat'].every((entry) =>
      new RegExp(`${named}\\s*\\(?\\s*'remote-agent-auth${entry}'`).test(text),
    );
    if (!external || /ERR_NATIVE|compilePolicy\(/.test(text)) problems.push(`${file}: something of ours was bundled`);
    const script = `
      const { nativeNames, refusal, requireRemoteAuth } = await import(${JSON.stringify(pathToFileURL(output).href)});
      const answer = await new Promise((resolve) => {
        const res = { statusCode: 200, setHeader() {}, status(code) { this.statusCode = code; return this; }, json(body) { resolve([this.statusCode, body.error]); } };
        requireRemoteAuth({ headers: {} }, res, () => resolve('next'));
      });
      console.log(JSON.stringify([answer, await refusal('eyJ.b.c'), nativeNames.includes('verifyRemoteToken')]));`;
    const { stdout, stderr } = await run(process.execPath, ['--input-type=module', '-e', script], {
      cwd: project,
      env,
    });
    if (stdout.trim() !== '[[401,"Bearer token required"],"ERR_TOKEN_MALFORMED",true]')
      problems.push(`${file}: ${stdout}${stderr}`);
    outputs.push(`${file} ${text.length} bytes`);
  }
  return {
    ok: problems.length === 0,
    figure: `external and running: ${outputs.join(', ')}`,
    detail: problems.join('\n'),
  };
}

/**
 * Bundles that hold ours and its native file, started away from every node_modules.
 * @param {Installation} installation
 * @param {string} nativeFile
 * @returns {Promise<TrialResult>}
 */
async function bundlers({ folder, env }, nativeFile) {
  const application = path.join(folder, 'application.js');
  fs.writeFileSync(application, APPLICATION);
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'bundlers-'));
  try {
    const { stdout, stderr } = await run(
      process.execPath,
      [path.join(__dirname, 'bundlers.mjs'), application, nativeFile, scratch],
      { cwd: folder, env },
    );
    const results = stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));
    const good = results.filter(({ ok }) => ok).map(({ name }) => name);
    const detail = results
      .filter(({ ok }) => !ok)
      .map(({ name, detail }) => `${name}: ${detail}`)
      .join('\n');
    return {
      ok: good.length === results.length && good.length > 0,
      figure: `started alone: ${good.join('; ')}`,
      detail: detail + stderr,
    };
  } finally {
    fs.rmSync(scratch, { recursive: true, force: true });
  }
}

/** @param {string} tarball @returns {Promise<TrialResult>} */
async function publint(tarball) {
  const bin = path.join(TOOLS, 'publint', 'src', 'cli.js');
  const { code, stdout, stderr } = await run(
    process.execPath,
    [bin, 'run', tarball, '--strict', '--level', 'suggestion'],
    { cwd: ROOT },
  );
  const ok = code === 0 && /All good/i.test(stdout);
  return { ok, figure: ok ? 'no error, warning or suggestion' : 'not content', detail: ok ? '' : stdout + stderr };
}

/** @param {string} tarball @returns {Promise<TrialResult>} */
async function attw(tarball) {
  const bin = path.join(TOOLS, '@arethetypeswrong', 'cli', 'dist', 'index.js');
  const { code, stdout, stderr } = await run(process.execPath, [bin, tarball, '--format', 'json'], { cwd: ROOT });
  if (code !== 0) return { ok: false, figure: 'not content', detail: stdout + stderr };
  const { analysis } = JSON.parse(stdout);
  const entries = Object.keys(analysis.entrypoints);
  return {
    ok: analysis.problems.length === 0,
    figure: `${entries.length} entries x 4 resolutions, ${analysis.problems.length} problems`,
    detail: JSON.stringify(analysis.problems, null, 1),
  };
}

/** Runtimes besides Node, from npm. @returns {{ name: string, command: string[] }[]} */
function otherRuntimes() {
  return [
    { name: 'bun', command: [path.join(TOOLS, '@oven', 'bun-linux-x64', 'bin', 'bun')] },
    {
      name: 'deno',
      command: [path.join(TOOLS, '@deno', 'linux-x64-glibc', 'deno'), 'run', '--allow-all', '--no-lock'],
    },
  ];
}

module.exports = { attw, bundled, bundlers, importsByName, otherRuntimes, publint, run, types, workerThreads };
