'use strict';

// `npm run demo`: set-up, then the demo in a process of its own, so that it starts with freshly installed modules.

const { spawn } = require('node:child_process');
const path = require('node:path');
const { setUp, SetupError, root } = require('../build/setup.js');

async function main() {
  await setUp();
  process.stderr.write('\n');
  const run = path.join(root, 'examples', 'demo', 'run.js');
  const child = spawn(process.execPath, [run, ...process.argv.slice(2)], {
    cwd: root,
    stdio: 'inherit',
  });
  // Ctrl+C reaches the whole foreground group; this process only waits for the demo to end on its own terms.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  process.on('exit', () => child.kill('SIGTERM'));
  child.on('exit', (code) => {
    process.exitCode = code ?? 1;
  });
}

main().catch((error) => {
  process.stderr.write(error instanceof SetupError ? `\nset-up failed: ${error.message}\n` : `${error.stack}\n`);
  process.exitCode = 1;
});
