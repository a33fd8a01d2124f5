'use strict';

// The demo: a real provider, a real server, real requests between them.
//
//   node examples/demo/run.js            one line per call; exit code 0 only if every call went as expected
//   node examples/demo/run.js --json     { ok, checks } on stdout and nothing else
//   node examples/demo/run.js --serve    keeps both running and prints curl lines to try

const { AsyncLocalStorage } = require('node:async_hooks');
const { once } = require('node:events');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const readline = require('node:readline');
const express = require('express');
const { RemoteTokenVerifier } = require('remote-agent-auth');
const { calls, CHAT } = require('./calls.js');
const { startProvider } = require('./provider.js');
const { createApp, loadConfig, AGENT } = require('./server.js');
const { createStore } = require('./store.js');

const DEADLINE_MS = 120_000;
const CALL_MS = 15_000;
const API_KEY = 'sk-demo-agent-key';
const COMPLETIONS = '/api/agents/v1/chat/completions';
const MODELS = '/api/agents/v1/models';

/**
 * What one request left behind.
 * @typedef {object} Trace
 * @property {{ level: string, message: string, detail?: any }[]} log
 * @property {number} verifyingMs
 * @property {string} [refusal] the code of a failed verification
 * @property {number} lookups
 * @property {object[]} updates
 * @property {any} user
 */

/** @type {AsyncLocalStorage<Trace>} */
const traces = new AsyncLocalStorage();

/** @returns {Trace} */
function newTrace() {
  return { log: [], verifyingMs: 0, lookups: 0, updates: [], user: undefined };
}

/** A verifier that notes, for the request at hand, how verifying ended and how long it took, waiting for the provider included. */
class NotingVerifier extends RemoteTokenVerifier {
  /**
   * @param {string} token
   * @param {any} policy
   */
  check(token, policy) {
    const trace = traces.getStore();
    const started = performance.now();
    /** @param {import('remote-agent-auth/native').Outcome} outcome */
    const note = (outcome) => {
      if (trace === undefined) return;
      trace.verifyingMs += performance.now() - started;
      if (!outcome.ok) trace.refusal = outcome.code;
    };
    const outcome = super.check(token, policy);
    // At once when the keys are at hand, a promise when they must be fetched.
    if ('then' in outcome) void outcome.then(note);
    else note(outcome);
    return outcome;
  }
}

/** The logger given to the middleware: what it says is kept with the request it says it about. */
const logger = Object.fromEntries(
  ['debug', 'info', 'warn', 'error'].map((level) => [
    level,
    (/** @type {string} */ message, /** @type {any} */ detail) =>
      traces.getStore()?.log.push({ level, message, detail }),
  ]),
);

/**
 * Why a call was refused: the code of the error that was logged or of the failed verification, else the reason named in the log,
 * else what the answer gives.
 * @param {number} status
 * @param {any} body
 * @param {Trace} trace
 * @returns {string | null}
 */
function reasonOf(status, body, { log, refusal }) {
  if (status < 400) return null;
  const logged = log.find(({ detail }) => typeof detail?.code === 'string');
  if (logged || refusal) return logged?.detail.code ?? refusal;
  const text = log.map(({ message }) => message).join('\n');
  if (/\bauth_failed\b/.test(text)) return 'auth_failed';
  if (text.includes('no matching LibreChat user')) return 'no_matching_user';
  const [, refused] = /account refused, reason: (\w+)/.exec(text) ?? [];
  if (refused !== undefined) return refused;
  return answerOf(body);
}

/** @param {any} body @returns {string} the error a body gives, in OpenAI's form or ours */
function answerOf(body) {
  return body.error?.code ?? body.error ?? '';
}

/** Everything the calls need, running. */
async function start() {
  // The middleware reads LibreChat's environment; what happens to be set in this shell is not part of the demo.
  for (const name of Object.keys(process.env))
    if (/^(OPENID_|https?_proxy$|proxy$)/i.test(name)) delete process.env[name];

  const provider = await startProvider();
  const config = loadConfig(provider.issuer);
  const store = createStore(
    [
      {
        _id: 'u1',
        email: 'ada@example.com',
        name: 'Ada',
        role: 'USER',
        provider: 'openid',
        openidId: 'ada',
        openidIssuer: provider.issuer,
      },
      { _id: 'u2', email: 'grace@example.com', name: 'Grace' },
      { _id: 'u3', email: 'alan@example.com', name: 'Alan', role: 'USER' },
    ],
    { u3: API_KEY },
  );
  const app = express();
  app.use((req, res, next) => {
    const trace = newTrace();
    res.on('finish', () => {
      trace.user = /** @type {any} */ (req).user;
      app.emit('trace', trace);
    });
    traces.run(trace, next);
  });
  app.use(
    createApp({
      config,
      store: {
        ...store,
        findUser(filter) {
          const trace = traces.getStore();
          if (trace) trace.lookups++;
          return store.findUser(filter);
        },
        updateUser(id, fields) {
          traces.getStore()?.updates.push(fields);
          return store.updateUser(id, fields);
        },
      },
      logger: /** @type {any} */ (logger),
      verifier: new NotingVerifier(),
    }),
  );
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());

  return {
    provider,
    config,
    app,
    url: `http://127.0.0.1:${port}`,
    async stop() {
      await provider.stop();
      server.closeAllConnections();
      server.close();
    },
  };
}

/**
 * @param {Awaited<ReturnType<typeof start>>} running
 * @param {string} where
 * @param {string | undefined} authorization
 * @returns {Promise<{ status: number, body: any, trace: Trace }>}
 */
async function send({ app, url }, where, authorization) {
  const traced = once(app, 'trace', { signal: AbortSignal.timeout(CALL_MS) });
  const post = where === COMPLETIONS;
  const [response, [trace]] = await Promise.all([
    fetch(url + where, {
      method: post ? 'POST' : 'GET',
      headers: {
        ...(authorization === undefined ? {} : { authorization }),
        ...(post ? { 'content-type': 'application/json' } : {}),
      },
      body: post ? JSON.stringify({ model: AGENT, messages: [{ role: 'user', content: 'hello' }] }) : undefined,
      signal: AbortSignal.timeout(CALL_MS),
    }),
    traced,
  ]);
  return { status: response.status, body: await response.json(), trace };
}

/** @param {Trace} trace */
function linkedTo({ user, updates }) {
  const link = /** @type {any} */ (updates.find((fields) => 'openidId' in fields));
  if (!user) return '';
  if (link) return `${user.email}, linked to sub ${link.openidId}`;
  return user.apiKeyId || !user.federatedTokens ? `${user.email}, by API key` : `${user.email}, sub ${user.openidId}`;
}

/**
 * Makes every call and gives each to `report`.
 * @param {Awaited<ReturnType<typeof start>>} running
 * @param {(line: { call: import('./calls.js').Call, status: number, code: string | null, ok: boolean, who: string, ms: number, said: string }) => void} report
 */
async function makeCalls(running, report) {
  const { apiKey, oidc } = running.config.endpoints.agents.remoteApi.auth;
  running.config.registration = { ...running.config.registration, allowedDomains: ['example.com'] };
  /** @type {import('./calls.js').Scene} */
  const scene = { provider: running.provider, apiKey: API_KEY, kept: {} };
  for (const call of calls) {
    // LibreChat's configuration can change under a running server; it is asked for on every request.
    apiKey.enabled = call.apiKeys ?? true;
    oidc.provisioning = { enabled: call.provisioning ?? false };
    const { status, body, trace } = await send(running, call.path ?? MODELS, await call.authorization(scene));
    const code = reasonOf(status, body, trace);
    const said = answerOf(body);
    const { expected } = call;
    const ok =
      status === expected.status &&
      code === expected.code &&
      said === (expected.error ?? '') &&
      trace.user?.email === expected.user &&
      (expected.linked === undefined || trace.updates.some((fields) => 'openidId' in fields) === expected.linked) &&
      (expected.lookups === undefined || trace.lookups === expected.lookups);
    report({ call, status, code, ok, who: linkedTo(trace), ms: trace.verifyingMs, said });
  }
}

async function runCalls() {
  const running = await start();
  console.log(`provider  ${running.provider.issuer}`);
  console.log(`server    ${running.url}\n`);
  /** @param {string[]} cells */
  const row = ([mark, sent, status, reason, time, answer]) =>
    console.log(
      [mark.padEnd(6), sent.padEnd(52), status.padEnd(6), reason.padEnd(24), time.padStart(9), answer].join(' '),
    );
  row(['', 'sent', 'status', 'code or reason', 'verifying', 'let in, or the error in the body']);
  let wrong = 0;
  try {
    await makeCalls(running, ({ call, status, code, ok, who, ms, said }) => {
      const time = ms ? `${ms.toFixed(2)} ms` : '-';
      row([ok ? 'ok' : 'WRONG', call.name, String(status), code ?? '-', time, who || said]);
      if (ok) return;
      wrong++;
      console.log(`       expected ${JSON.stringify(call.expected)}`);
    });
  } finally {
    await running.stop();
  }
  console.log(`\n${calls.length - wrong} of ${calls.length} calls went as expected`);
  process.exitCode = wrong === 0 ? 0 : 1;
}

async function runJson() {
  /** @type {object[]} */
  const checks = [];
  let ok = true;
  try {
    const running = await start();
    try {
      await makeCalls(running, (line) => {
        ok &&= line.ok;
        const { name, expected } = line.call;
        checks.push({
          name,
          expected: { status: expected.status, code: expected.code },
          status: line.status,
          code: line.code,
          ok: line.ok,
        });
      });
    } finally {
      await running.stop();
    }
  } catch (error) {
    // Whoever reads stdout still gets a document, and it says no.
    ok = false;
    console.error(error);
  }
  process.stdout.write(`${JSON.stringify({ ok, checks }, null, 2)}\n`);
  process.exitCode = ok ? 0 : 1;
}

async function serve() {
  const running = await start();
  const { provider, url } = running;
  // Tokens go to files that only this user can read, and from there into curl: none is printed or left in a shell history.
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'remote-agent-auth-demo-'));
  const writeTokens = async () => {
    for (const [name, user, scope] of [
      ['ada', 'ada', 'agents:use'],
      ['grace', 'grace', 'agents:use'],
      ['read-only', 'ada', 'agents:read'],
    ]) {
      const token = await provider.token({ user, audience: CHAT, scope });
      fs.writeFileSync(path.join(folder, name), `Authorization: Bearer ${token}\n`, {
        mode: 0o600,
      });
    }
    fs.writeFileSync(path.join(folder, 'api-key'), `Authorization: Bearer ${API_KEY}\n`, {
      mode: 0o600,
    });
  };
  await writeTokens();

  console.log(`The provider is at ${provider.issuer}, the server at ${url}. Try:

  curl -si ${url}${MODELS} -H @${folder}/ada
  curl -si ${url}${COMPLETIONS} -H @${folder}/grace \\
       -H 'content-type: application/json' -d '{"model":"${AGENT}","messages":[{"role":"user","content":"hello"}]}'
  curl -si ${url}${MODELS} -H @${folder}/api-key
  curl -si ${url}${MODELS} -H @${folder}/read-only    # the scope is missing
  curl -si ${url}${MODELS}    # no header
  curl -s  ${provider.issuer}/.well-known/openid-configuration
`);
  console.log('Enter rotates the keys of the provider and writes new tokens into the same files; Ctrl+C ends.');

  const input = readline.createInterface({ input: process.stdin });
  input.on('line', async () => {
    try {
      const kid = await provider.rotate();
      await writeTokens();
      console.log(`The provider now signs with key ${kid}; tokens of the old key are refused.`);
    } catch (error) {
      console.error(error);
    }
  });
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM'), once(process, 'SIGHUP')]);
  input.close();
  fs.rmSync(folder, { recursive: true, force: true });
  await running.stop();
}

async function main() {
  const unknown = process.argv.slice(2).filter((argument) => !['--json', '--serve'].includes(argument));
  if (unknown.length > 0) throw new Error(`unknown argument ${unknown[0]}; known are --json and --serve`);
  if (process.argv.includes('--serve')) return serve();

  // Whatever hangs, the demo ends.
  setTimeout(() => {
    console.error(`the demo did not end within ${DEADLINE_MS / 1000} s`);
    process.exit(1);
  }, DEADLINE_MS).unref();
  return process.argv.includes('--json') ? runJson() : runCalls();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
