'use strict';

// What is measured: the package as it would be installed, release build, staged by scripts/checks/bench.js.

const path = require('node:path');

const root = path.join(__dirname, '..');
const folder = process.env.BENCH_PACKAGE ?? path.join(root, 'target', 'bench-package', 'remote-agent-auth');

module.exports = { folder, ours: () => require(folder) };
