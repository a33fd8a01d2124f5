'use strict';

const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { notUnderstood } = require('../../lib/policy/proxy');

const PROXIES = ['PROXY', 'proxy', 'HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'https_proxy'];
const variables = ['NO_PROXY', 'no_proxy', 'NODE_TLS_REJECT_UNAUTHORIZED', ...PROXIES];
const before = Object.fromEntries(variables.map((name) => [name, process.env[name]]));

afterEach(() => {
  for (const name of variables) {
    if (before[name] === undefined) delete process.env[name];
    else process.env[name] = before[name];
  }
});

/** What two middlewares of a new process warn of at their start. */
function warnings(env, options) {
  for (const name of variables) delete process.env[name];
  Object.assign(process.env, env);
  jest.resetModules();
  const { createRemoteAgentAuth } = require('../..');
  const warn = jest.fn();
  const none = async () => null;
  const deps = { findUser: none, updateUser: none, getAppConfig: none, apiKeyMiddleware() {}, logger: { warn } };
  createRemoteAgentAuth(deps, options);
  createRemoteAgentAuth(deps, options);
  return warn.mock.calls.map(([line]) => line);
}

describe('A15 NO_PROXY', () => {
  test('A15 an entry that fits no host is named once, at the start', () => {
    expect(warnings({ NO_PROXY: 'idp.example, 10.0.0.0/8 fd00::/8,10.0.0.0/33' })).toEqual([
      expect.stringMatching(/"10\.0\.0\.0\/33" of NO_PROXY is not understood/),
    ]);
    expect(warnings({}, { policy: { proxy: { bypass: 'foo*' } } })).toEqual([
      expect.stringMatching(/"foo\*" of proxy\.bypass/),
    ]);
    expect(
      warnings({ NO_PROXY: '*,localhost,.a.example:443,[::1]:80,*b.example,a.example.,::ffff:10.0.0.0/104' }),
    ).toEqual([]);
  });

  test.each([
    ['http://user:hunter2@proxy.example:3128', '"http://***@proxy.example:3128"'],
    ['user:hunter2@proxy.example', '"***@proxy.example"'],
    ['http://user:hunter2,hunter2@x@proxy.example:3128', '"***@proxy.example:3128"'],
  ])('A15 credentials in %s are not repeated', (list, shown) => {
    const said = warnings({ NO_PROXY: list }).join();
    expect(said).toContain(`the entry ${shown} of NO_PROXY is not understood`);
    expect(said).not.toContain('hunter2');
    expect(warnings({}, { policy: { proxy: { bypass: list } } }).join()).not.toContain('hunter2');
  });

  test.each([
    '10.0.0.0/33',
    '::/129',
    'https://a.example',
    '10.*.1',
    'a:99999',
    '10.0.0/8',
    '<local>',
    '10.0.0.1-20',
    '10.0',
    'a/8',
    '*.',
    'fe80::1%eth0',
    '*10.0',
    '192.168.*',
    'a..b',
    '.',
  ])('A15 %s is not understood', (entry) => {
    expect(notUnderstood(`a.example ${entry},::1`)).toEqual([entry]);
  });
});

test('C8 NODE_TLS_REJECT_UNAUTHORIZED=0 is said once not to be honoured', () => {
  expect(warnings({ NODE_TLS_REJECT_UNAUTHORIZED: '0' })).toEqual([
    expect.stringMatching(/NODE_TLS_REJECT_UNAUTHORIZED=0 is not honoured.*NODE_EXTRA_CA_CERTS/),
  ]);
  expect(warnings({ NODE_TLS_REJECT_UNAUTHORIZED: '1' })).toEqual([]);
});

test('C8 those who make no middleware hear it as well: machine clients, and verifyOidcAccessToken', async () => {
  const { createAgentManagementAuth } = require('../..');
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
  jest.resetModules();
  const fresh = require('../..');
  expect(fresh.createAgentManagementAuth).not.toBe(createAgentManagementAuth);
  const warn = jest.fn();
  const oidc = { enabled: true, issuer: 'https://idp.example', audience: 'api' };
  const deps = {
    getAppConfig: async () => ({ endpoints: { agents: { managementApi: { auth: { oidc, clients: [] } } } } }),
    findUser: async () => null,
    runInTenant: (_tenant, fn) => fn(),
    logger: { warn },
  };
  const res = { status: () => res, json: () => res };
  for (let time = 0; time < 3; time += 1) {
    await fresh.createAgentManagementAuth(deps)({ headers: { authorization: 'Bearer opaque' } }, res, () => {});
  }
  expect(warn.mock.calls.filter(([line]) => /NODE_TLS_REJECT_UNAUTHORIZED=0 is not honoured/.test(line))).toHaveLength(
    1,
  );
});

describe('C1 a proxy in the environment that cannot be one', () => {
  const { wrongProxyVariables } = require('../../lib/policy/proxy');

  test.each([
    ['socks5://proxy.example:1080', 'PROXY'],
    ['http://user:secret@proxy example', 'PROXY'],
    ['http://', 'https_proxy'],
    ['ftp://proxy.example', 'HTTPS_PROXY'],
    ['proxy.example:99999', 'http_proxy'],
  ])('C1 %s in %s: said once at the start, and named in the refusal', async (value, name) => {
    expect(warnings({ [name]: value })).toEqual([
      expect.stringMatching(new RegExp(`${name} is no http or https URL, so every token is refused`)),
    ]);
    const { createRemoteAgentAuth } = require('../..');
    const lines = [];
    const error = (...line) => lines.push(line);
    const oidc = { enabled: true, issuer: 'https://idp.example', audience: 'api' };
    const config = { endpoints: { agents: { remoteApi: { auth: { apiKey: { enabled: false }, oidc } } } } };
    const none = async () => null;
    const auth = createRemoteAgentAuth({
      findUser: none,
      updateUser: none,
      getAppConfig: async () => config,
      apiKeyMiddleware() {},
      logger: { error },
    });
    const res = { status: () => res, json: () => res };
    await auth({ headers: { authorization: 'Bearer a.b.c' } }, res, () => {});
    expect(lines).toEqual([
      [expect.any(String), expect.objectContaining({ code: 'ERR_POLICY_OPTION', fault: 'config' })],
    ]);
    expect(lines[0][1].message).toContain(`\`proxy\` must be`);
    expect(lines[0][1].message).toContain(`of the environment, ${name} is no such URL`);
    expect(`${lines[0]}${lines[0][1].message}`).not.toContain('secret');
  });

  test.each([
    [{ PROXY: 'http://proxy.example:3128' }, []],
    [{ PROXY: 'proxy.example:3128', https_proxy: 'nonsense://' }, []],
    [{ PROXY: ' HTTPS://user:secret@proxy.example ' }, []],
    [{ PROXY: '', https_proxy: 'x://', HTTPS_PROXY: 'http://a' }, ['https_proxy']],
    [{ http_proxy: 'x://', https_proxy: 'y://' }, ['http_proxy', 'https_proxy']],
    [{ NO_PROXY: 'x://' }, []],
  ])('C1 %j', (env, names) => {
    expect(wrongProxyVariables(env)).toEqual(names);
  });
});

describe('D3 snapshotFile', () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'snapshot-'));
  const at = (name) => path.join(folder, name);
  let server;
  beforeAll(async () => {
    fs.mkdirSync(at('folder'));
    fs.writeFileSync(at('file'), 'precious');
    fs.symlinkSync(at('file'), at('link'));
    fs.symlinkSync(at('nothing'), at('dangling'));
    require('node:child_process').execFileSync('mkfifo', [at('fifo')]);
    server = net.createServer().listen(at('socket'));
    await new Promise((resolve) => server.on('listening', resolve));
  });
  afterAll(() => {
    server.close();
    fs.rmSync(folder, { recursive: true, force: true });
  });

  test.each(['folder', 'link', 'dangling', 'fifo', 'socket', '/dev/null'])('D3 %s is refused at once', (name) => {
    const { RemoteTokenVerifier } = require('../..');
    const verifier = new RemoteTokenVerifier();
    const compile = (snapshotFile) =>
      verifier.compile({ issuer: 'https://idp.example', audience: 'api', snapshotFile });
    let error;
    try {
      compile(path.resolve(folder, name));
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toMatchObject({ code: 'ERR_POLICY_OPTION', message: expect.stringContaining('snapshotFile') });
    expect(fs.readFileSync(at('file'), 'utf8')).toBe('precious');
    expect(fs.existsSync(at('nothing'))).toBe(false);
    expect(() => compile(at('file'))).not.toThrow();
    expect(() => compile(at('nothing'))).not.toThrow();
  });
});
