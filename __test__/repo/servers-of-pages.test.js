'use strict';

// The servers that docs/bearer-auth.md and docs/adapters.md show, each written to a file as it stands, started and asked: only the issuer and
// the port are others.

const { fork } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const path = require('node:path');
const ts = require('typescript');
const { createTestIssuer } = require('../../lib/testing');
const { ROOT, blocksOf, read } = require('../support/markdown');

const PRELOADED = path.join(__dirname, '..', 'support', 'children', 'say-port.js');
const PAGES = ['docs/bearer-auth.md', 'docs/adapters.md'];
/** A block that opens a port is a whole program. */
const servers = PAGES.flatMap((page) => blocksOf(read(page), page)).filter(({ text }) =>
  /listen\(|serve\(\{/.test(text),
);

// Inside the repository, where `remote-agent-auth` is this very package.
const cache = path.join(ROOT, '.cache');
fs.mkdirSync(cache, { recursive: true });
const scratch = fs.mkdtempSync(path.join(cache, 'servers-'));
afterAll(() => fs.rmSync(scratch, { recursive: true, force: true }));

/** @type {import('../../testing').TestIssuer} */
let issuer;
beforeAll(async () => {
  issuer = await createTestIssuer({ alg: 'ES256', audience: 'https://api.example.com' });
});
afterAll(() => issuer.stop());

/** @param {{ language: string, text: string }} block @returns {string} a file with it */
function written({ language, text }, name) {
  const here = text.replace(/https:\/\/(login|auth)\.example\.com/g, issuer.issuer).replace('3000', '0');
  const isModule = /^import /m.test(text);
  const options = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022, experimentalDecorators: true };
  const script = language === 'ts' ? ts.transpileModule(here, { compilerOptions: options }).outputText : here;
  const file = path.join(scratch, `${name}.${isModule ? 'mjs' : 'cjs'}`);
  fs.writeFileSync(file, script);
  return file;
}

/** @param {string} file @param {(ask: (path: string, token?: string, method?: string) => Promise<any>) => Promise<unknown>} use */
async function withServer(file, use) {
  const child = fork(file, { execArgv: ['--require', PRELOADED], stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
  let said = '';
  child.stderr?.on('data', (chunk) => (said += chunk));
  const ended = once(child, 'exit');
  const failed = ended.then(() => Promise.reject(new Error(`it ended: ${said}`)));
  try {
    const [port] = await Promise.race([once(child, 'message'), failed]);
    await use(async (at, token, method = 'GET') => {
      const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
      const response = await fetch(`http://127.0.0.1:${port}${at}`, { method, headers });
      const text = await response.text();
      return response.ok ? text : response.status;
    });
  } finally {
    child.kill();
    await ended;
    failed.catch(() => {});
  }
}

const ADA = '{"subject":"ada"}';
const good = (more) => issuer.token({ sub: 'ada', client_id: 'cli', ...more });
/** One route that wants a token. */
const one = (at, answer) => async (ask) => {
  expect([await ask(at), await ask(at, 'a.b.c'), await ask(at, good())]).toEqual([401, 401, answer]);
};
/** And one that wants a scope, and one that is open. */
const three = (at, scoped, answer) => async (ask) => {
  await one(at, ADA)(ask);
  const scope = 'agents:use';
  expect([await ask(scoped), await ask(scoped, good()), await ask(scoped, good({ scope }))]).toEqual([
    401,
    403,
    answer,
  ]);
  expect(await ask('/health')).toBe('{}');
};

/** In the order of the pages. @type {[string, Parameters<typeof withServer>[1]][]} */
const CHECKS = [
  [
    'Express',
    async (ask) => {
      const answers = [
        await ask('/files'),
        await ask('/files', good()),
        await ask('/files', good({ scope: 'files:read' })),
      ];
      expect(answers).toEqual([401, 403, ADA]);
    },
  ],
  ['Fastify', three('/me', '/agents', '{}')],
  ['Hono', three('/me', '/agents/me', ADA)],
  ['a Fetch handler', one('/', ADA)],
  ['Koa', one('/', ADA)],
  ['NestJS', three('/me', '/agents', '{}')],
  ['node-http', one('/', 'let in')],
  [
    'MCP',
    async (ask) => {
      const token = (more) => good({ aud: 'https://mcp.example.com/mcp', ...more });
      const ofScope = token({ scope: 'agents:use' });
      const answers = [
        await ask('/mcp', good(), 'POST'),
        await ask('/mcp', token(), 'POST'),
        await ask('/mcp', ofScope, 'POST'),
      ];
      expect(answers).toEqual([401, 403, '{"clientId":"cli"}']);
    },
  ],
];

test('every server of the pages is started', () => {
  expect(servers.length).toBe(CHECKS.length);
});

test.each(CHECKS.map(([name], place) => [name, place]))(
  '%s: the server of the page lets in whom it should',
  async (name, place) => {
    await withServer(written(servers[place], name.replaceAll(' ', '-')), CHECKS[place][1]);
  },
  30_000,
);
