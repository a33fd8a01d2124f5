'use strict';

// A small HTTP client for keep-alive connections: it must leave the machine to the server.

const { connect } = require('node:net');
const { once } = require('node:events');
const { performance } = require('node:perf_hooks');

/** Milliseconds; a timer of one may take a little longer. */
const SLEEP = 1.5;
const END_OF_HEAD = Buffer.from('\r\n\r\n');

/** The bytes of a request that carries a token. @param {Buffer} token @param {string} [headers] more of them, each with its line's end */
function requestWith(token, headers = '') {
  return Buffer.concat([
    Buffer.from(`GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n${headers}Authorization: Bearer `),
    token,
    END_OF_HEAD,
  ]);
}

/** One keep-alive connection, one request at a time. */
class Connection {
  #socket;
  #received = Buffer.alloc(0);
  #settle;

  static async open(port) {
    const connection = new Connection();
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    connection.#socket = socket;
    await once(socket, 'connect');
    socket.on('data', (chunk) => connection.#take(chunk));
    socket.on('close', () => connection.#settle?.({ status: 0, body: 'connection closed' }));
    return connection;
  }

  /** @returns {Promise<{ status: number, body: string }>} */
  ask(request) {
    return new Promise((resolve) => {
      this.#settle = resolve;
      this.#socket.write(request);
    });
  }

  #take(chunk) {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    const end = this.#received.indexOf(END_OF_HEAD);
    if (end === -1) return;
    const head = this.#received.latin1Slice(0, end);
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1]);
    if (this.#received.length < end + 4 + length) return;
    const body = this.#received.latin1Slice(end + 4, end + 4 + length);
    this.#received = Buffer.alloc(0);
    const settle = this.#settle;
    this.#settle = undefined;
    // Nobody has asked: a server that is ending says so.
    settle?.({ status: Number(head.slice(9, 12)), body });
  }

  close() {
    this.#socket.destroy();
  }
}

/**
 * Every connection asks again as soon as it has its answer.
 * @param {Connection[]} connections
 * @param {Buffer[]} requests
 */
async function closedLoop(connections, requests, millis) {
  let at = Math.floor(Math.random() * requests.length);
  const latencies = [];
  const statuses = {};
  const start = performance.now();
  await Promise.all(
    connections.map(async (connection) => {
      let since = performance.now();
      while (since - start < millis) {
        const { status } = await connection.ask(requests[at++ % requests.length]);
        const now = performance.now();
        latencies.push(now - since);
        statuses[status] = (statuses[status] ?? 0) + 1;
        since = now;
      }
    }),
  );
  return { latencies, statuses, wall: performance.now() - start };
}

/**
 * Requests come when they come (exponential gaps), whether or not earlier ones have been answered. Latency counts from the
 * moment a request was due, so that waiting for a connection counts too.
 */
async function openLoop(connections, requests, millis, perSecond) {
  const idle = [...connections];
  const due = [];
  const latencies = [];
  const statuses = {};
  let at = Math.floor(Math.random() * requests.length);
  let open = 0;
  let finished;
  const all = new Promise((resolve) => (finished = resolve));
  const start = performance.now();
  let next = start;
  let over = false;

  const send = async (connection, moment) => {
    open++;
    const { status } = await connection.ask(requests[at++ % requests.length]);
    latencies.push(performance.now() - moment);
    statuses[status] = (statuses[status] ?? 0) + 1;
    open--;
    if (due.length > 0) send(connection, due.shift());
    else idle.push(connection);
    if (over && open === 0 && due.length === 0) finished();
  };
  const tick = () => {
    const now = performance.now();
    while (next <= now && next - start < millis) {
      if (idle.length > 0) send(idle.pop(), next);
      else due.push(next);
      next += (-Math.log(1 - Math.random()) * 1000) / perSecond;
    }
    // Asleep where there is time for it: a client that never sleeps takes a processor from the server's other threads.
    if (next - start < millis) next - performance.now() > SLEEP ? setTimeout(tick, 1) : setImmediate(tick);
    else {
      over = true;
      if (open === 0) finished();
    }
  };
  tick();
  await all;
  return { latencies, statuses, wall: performance.now() - start };
}

module.exports = { Connection, closedLoop, openLoop, requestWith };
