'use strict';

const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { notUnderstood } = require('../../lib/policy/proxy');

const variables = ['NO_PROXY', 'no_proxy', 'NODE_TLS_REJECT_UNAUTHORIZED'];
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
    expect(warnings({}, { policy: { proxy: { bypass: 'foo*' } } })).toEqual([expect.stringMatching(/"foo\*" of proxy\.bypass/)]);
    expect(warnings({ NO_PROXY: '*,localhost,.a.example:443,[::1]:80' })).toEqual([]);
  });

  test.each(['10.0.0.0/33', '::/129', 'https://a.example', '10.*.1', 'a:99999', '10.0.0/8', '<local>', '10.0.0.1-20', '10.0', 'a/8', '*.'])('A15 %s is not understood', (entry) => {
    expect(notUnderstood(`a.example ${entry},::1`)).toEqual([entry]);
  });
});

test('C8 NODE_TLS_REJECT_UNAUTHORIZED=0 is said once not to be honoured', () => {
  expect(warnings({ NODE_TLS_REJECT_UNAUTHORIZED: '0' })).toEqual([expect.stringMatching(/NODE_TLS_REJECT_UNAUTHORIZED=0 is not honoured.*NODE_EXTRA_CA_CERTS/)]);
  expect(warnings({ NODE_TLS_REJECT_UNAUTHORIZED: '1' })).toEqual([]);
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
    const compile = (snapshotFile) => verifier.compile({ issuer: 'https://idp.example', audience: 'api', snapshotFile });
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
