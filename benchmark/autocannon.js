'use strict';

// The same servers under a client that others wrote and know: what ours says of them must not depend on how ours is made.

const { performance } = require('node:perf_hooks');

/**
 * Closed loop, in the manner of `closedLoop` in load.js.
 * @param {{ port: number, connections: number, requests: Buffer[], millis: number }} options requests as our client writes them
 * @returns {Promise<{ latencies: number[], statuses: Record<string, number>, wall: number }>}
 */
async function autocannonLoop({ port, connections, requests, millis }) {
  const autocannon = require('autocannon');
  const statuses = {};
  const start = performance.now();
  const run = autocannon({
    url: `http://127.0.0.1:${port}/`,
    connections,
    duration: millis / 1000,
    requests: requests.map((bytes) => ({ method: 'GET', path: '/', headers: headersOf(bytes) })),
  });
  run.on('response', (_client, status) => {
    statuses[status] = (statuses[status] ?? 0) + 1;
  });
  const { errors } = await run;
  if (errors > 0) throw new Error(`autocannon: ${errors} requests failed`);
  return { latencies: [], statuses, wall: performance.now() - start };
}

/** @param {Buffer} bytes a whole request @returns {Record<string, string>} */
function headersOf(bytes) {
  const [, ...lines] = bytes.toString('latin1').trimEnd().split('\r\n');
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]));
}

module.exports = { autocannonLoop };
