'use strict';

// What copies an application for its deployment finds the native file by reading the source of the loader.

const { execFile, execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { promisify } = require('node:util');
const { fileName, ownPlatform, packageName, platforms } = require('../../scripts/platforms/table');
const { installApplication } = require('../support/packed-application');

const ROOT = path.join(__dirname, '..', '..');
const name = String(ownPlatform());

let folder;
beforeEach(() => {
  folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'traced-')));
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

/** The files the tracer says an application needs, relative to its folder. */
function traced(file) {
  const script = `
    require(${JSON.stringify(require.resolve('@vercel/nft'))})
      .nodeFileTrace([${JSON.stringify(file)}], { base: ${JSON.stringify(path.dirname(file))} })
      .then(({ fileList }) => console.log(JSON.stringify([...fileList])));`;
  return JSON.parse(execFileSync(process.execPath, ['-e', script], { cwd: ROOT, encoding: 'utf8' }));
}

test('D1 @vercel/nft traces an application, and the traced files alone start elsewhere and verify a token', async () => {
  const file = installApplication(path.join(folder, 'built'));
  const files = traced(file);
  expect(files).toContain(path.join('node_modules', packageName(name), fileName(name)));
  const elsewhere = path.join(folder, 'deployed');
  for (const each of files)
    fs.cpSync(path.join(folder, 'built', each), path.join(elsewhere, each), { recursive: true });
  const { stdout } = await promisify(execFile)(process.execPath, [path.join(elsewhere, 'application.js')], {
    cwd: elsewhere,
    env: { PATH: process.env.PATH },
  });
  expect(stdout).toBe('someone\n');
});

test('D1 the loader names each platform package in a literal require, and the packed manifest names the same', () => {
  const source = fs.readFileSync(path.join(ROOT, 'binding.js'), 'utf8');
  const named = [...source.matchAll(/case '([^']+)':\s+return \{ native: require\('remote-agent-auth-([^']+)'\) \};/g)];
  expect(named.map(([, platform, literal]) => [platform, literal])).toEqual(
    platforms.map((platform) => [platform.name, platform.name]),
  );
});

test('D1 an application that was copied without its native file fails with that cause', async () => {
  const file = installApplication(path.join(folder, 'copied'), { platform: false });
  const failed = promisify(execFile)(process.execPath, [file], {
    cwd: path.dirname(file),
    env: { PATH: process.env.PATH },
  });
  await expect(failed).rejects.toMatchObject({
    stderr: expect.stringMatching(/Cause: .*or what copied the application left it behind\.[^]*ERR_NATIVE_MISSING/),
  });
});
