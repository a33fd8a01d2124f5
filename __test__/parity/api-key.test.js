'use strict';

// LibreChat's suite of the API-key middleware (scenarios 241 to 249), as far as it concerns what wraps it: a double of that
// middleware answers or calls next as LibreChat's does, and neither is changed on the way.

const { expectPassed, suiteIssuer, World } = require('./world');

const issuer = suiteIssuer();
let world;

beforeEach(() => {
  world = new World(issuer).configure({ oidc: null });
});

const openAi = (code, type = 'invalid_request_error') => ({ error: { message: 'refused', type, code } });

/** LibreChat's middleware in small: key, owner and fence, then two factors where they are asked for. */
function apiKeys({ findUser, isPrincipalActive = async () => true, twoFactors = false }) {
  return async (req, res, next) => {
    const key = /^Bearer (.+)$/.exec(req.headers.authorization ?? '')?.[1].trim();
    if (!key) return res.status(401).json(openAi('missing_api_key'));
    const [user, active] = await Promise.all([findUser(key), isPrincipalActive(key)]);
    if (user === null) return res.status(401).json(openAi('invalid_api_key'));
    if (!active) return res.status(409).json(openAi('account_deletion_in_progress'));
    if (twoFactors && user.provider === 'local' && !user.twoFactorEnabled) {
      return res.status(403).json(openAi('two_factor_enrollment_required'));
    }
    req.user = { ...user, id: String(user._id) };
    req.apiKeyId = 'key-1';
    next();
  };
}

const owner = (over = {}) => ({ _id: { toString: () => 'owner-1' }, provider: 'local', role: 'USER', ...over });
const use = (over) =>
  world.deps.apiKeyMiddleware.mockImplementation(apiKeys({ findUser: async () => owner(), ...over }));

test('[241] an account being deleted: its 409 stands and the request ends', async () => {
  use({ isPrincipalActive: async () => false });
  const result = await world.send('sk-1');
  expect(result.sent).toEqual([{ status: 409, body: openAi('account_deletion_in_progress') }]);
  expect(result.next).not.toHaveBeenCalled();
});

test('[242] an active account passes, with its string id and key', async () => {
  use({});
  const result = await world.send('sk-1');
  expectPassed(result);
  expect(result.req).toMatchObject({ user: { id: 'owner-1' }, apiKeyId: 'key-1' });
});

test('[243] its reads begin together: nothing of ours comes between them', async () => {
  const begun = [];
  let letGo;
  const both = new Promise((resolve) => (letGo = resolve));
  const read = (name, answer) => async () => {
    begun.push(name);
    if (begun.length === 2) letGo();
    await both;
    return answer;
  };
  use({ findUser: read('user', owner()), isPrincipalActive: read('fence', true) });
  expectPassed(await world.send('sk-1'));
  expect(begun).toEqual(['user', 'fence']);
});

test('[244] two factors wanted and missing: its 403 stands, there is no user', async () => {
  use({ twoFactors: true });
  const result = await world.send('sk-1');
  expect(result.sent).toEqual([{ status: 403, body: openAi('two_factor_enrollment_required') }]);
  expect(result.req.user).toBeUndefined();
  expect(result.next).not.toHaveBeenCalled();
});

test.each([
  ['[245] two factors wanted and there', { twoFactorEnabled: true }],
  ['[246] an owner who signs in elsewhere', { provider: 'openid' }],
])('%s: passes', async (_title, over) => {
  use({ twoFactors: true, findUser: async () => owner(over) });
  expectPassed(await world.send('sk-1'));
});

describe('the access checks that follow', () => {
  /** LibreChat's check in small, mounted behind the middleware. */
  const check = (agentOf) => (req, res) => {
    const agent = agentOf(req);
    return agent === undefined
      ? res.status(400).json(openAi('missing_model'))
      : res.status(200).json({ agent, user: req.user.id });
  };
  const sendTo = async (access, body) => {
    use({});
    const result = await world.send('sk-1', { body });
    expectPassed(result);
    access(result.req, result.res);
    return result.sent;
  };

  test('[247] of the model finds the body untouched', async () => {
    const sent = await sendTo(
      check(({ body }) => body.model),
      { model: 'agent_1' },
    );
    expect(sent).toEqual([{ status: 200, body: { agent: 'agent_1', user: 'owner-1' } }]);
  });

  test('[248] of a trigger finds its target, not the model', async () => {
    const sent = await sendTo(
      check(({ body }) => body.target?.agentId),
      { model: 'agent_1', target: { agentId: 'agent_2' } },
    );
    expect(sent).toEqual([{ status: 200, body: { agent: 'agent_2', user: 'owner-1' } }]);
  });

  test('[249] of a trigger without target answers 400', async () => {
    const sent = await sendTo(
      check(({ body }) => body.target?.agentId),
      { model: 'agent_1' },
    );
    expect(sent).toEqual([{ status: 400, body: openAi('missing_model') }]);
  });
});
