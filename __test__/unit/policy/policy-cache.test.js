'use strict';

const { CAPACITY, PolicyCache } = require('../../../lib/policy/policy-cache');
const { RemoteAuthError } = require('../../../lib/verifier/errors');
const { createLog } = require('../../../lib/middleware/log');
const { NOTHING, createPolicyExtra } = require('../../../lib/policy/option');
const { readEnvironment } = require('../../../lib/policy/environment');
const { readAuthConfig } = require('../../../lib/policy/oidc-config');
const { recordingLogger } = require('../../support/fakes');

const CACHE = ['OPENID_JWKS_URL_CACHE_ENABLED', 'OPENID_JWKS_URL_CACHE_TIME'];
const TOLERANCE = 'OPENID_REMOTE_CLOCK_TOLERANCE';
const PROXIES = ['PROXY', 'proxy', 'http_proxy', 'HTTP_PROXY', 'https_proxy', 'HTTPS_PROXY'];
const VARIABLES = [
  'OPENID_JWKS_URL',
  'OPENID_ISSUER',
  'OPENID_EMAIL_CLAIM',
  ...CACHE,
  TOLERANCE,
  ...PROXIES,
  'no_proxy',
  'NO_PROXY',
];
const fields = (over = {}) => ({
  issuer: 'https://issuer.example/realms/a/',
  audience: 'agents',
  jwksUri: undefined,
  scope: undefined,
  ...over,
});

let saved;
beforeEach(() => {
  saved = VARIABLES.map((name) => process.env[name]);
  for (const name of VARIABLES) delete process.env[name];
});
afterEach(() => {
  VARIABLES.forEach((name, index) => {
    if (saved[index] === undefined) delete process.env[name];
    else process.env[name] = saved[index];
  });
});

/** A cache whose compile gives the options back, with the list of them and the log. */
function setUp(settings = {}) {
  const compiled = [];
  const logger = recordingLogger();
  const cache = new PolicyCache({
    compile: (options) => {
      compiled.push(options);
      return { of: options };
    },
    log: createLog(logger),
    ...settings,
  });
  return { cache, compiled, logger };
}

describe('finding a compiled policy', () => {
  test('equal fields give the same policy, whatever object they come from', () => {
    const { cache, compiled } = setUp();
    expect(cache.find(fields()).policy).toBe(cache.find(fields()).policy);
    expect(compiled).toHaveLength(1);
  });

  test.each([
    ['issuer', { issuer: 'https://issuer.example/realms/a' }],
    ['audience', { audience: 'others' }],
    ['list of audiences', { audience: ['agents'] }],
    ['jwksUri', { jwksUri: 'https://issuer.example/jwks' }],
    ['scope', { scope: 'agents:use' }],
  ])('another %s is another policy', (_name, change) => {
    const { cache, compiled } = setUp();
    cache.find(fields());
    cache.find(fields(change));
    expect(compiled).toHaveLength(2);
  });

  test('values are not confused by where one ends and the next begins', () => {
    const { cache, compiled } = setUp();
    cache.find(fields({ audience: 'a","b', scope: 'c' }));
    cache.find(fields({ audience: 'a', scope: 'b","c' }));
    cache.find(fields({ audience: ['a', 'b'] }));
    cache.find(fields({ audience: ['a","b'] }));
    expect(compiled).toHaveLength(4);
  });

  test('a config changed in place gives the policy it now asks for', () => {
    const { cache } = setUp();
    const oidc = fields();
    cache.find(oidc);
    oidc.audience = 'changed';
    expect(cache.find(oidc).policy.of.audience).toBe('changed');
  });

  test('a list of audiences changed in place gives the policy it now asks for', () => {
    const { cache, compiled } = setUp();
    const oidc = fields({ audience: ['agents', 'others'] });
    cache.find(oidc);
    cache.find(fields({ audience: ['agents', 'others'] }));
    oidc.audience[1] = 'changed';
    expect(cache.find(oidc).policy.of.audience).toEqual(['agents', 'changed']);
    oidc.audience.pop();
    expect(cache.find(oidc).policy.of.audience).toEqual(['agents']);
    expect(compiled).toHaveLength(3);
  });

  test.each(['issuer', 'jwksUri', 'scope'])('a list as %s, changed in place, is another policy', (name) => {
    const { cache, compiled } = setUp();
    const list = ['https://issuer.example'];
    cache.find(fields({ [name]: list }));
    list[0] = 'https://other.example';
    cache.find(fields({ [name]: list }));
    expect(compiled).toHaveLength(2);
  });

  test('policies of one issuer, asked for by turns, are compiled once each', () => {
    const { cache, compiled } = setUp();
    const asked = [
      fields(),
      fields({ scope: 'a' }),
      fields({ audience: ['agents'] }),
      fields({ jwksUri: 'https://issuer.example/jwks' }),
    ];
    const first = asked.map((it) => cache.find(it).policy);
    expect(asked.map((it) => cache.find(it).policy)).toEqual(first);
    expect(compiled).toHaveLength(asked.length);
  });

  test('what the options add is part of every policy', () => {
    const { cache, compiled } = setUp();
    cache.find(fields(), createPolicyExtra({ requireExp: false, clockTolerance: 5 })(fields()));
    expect(compiled[0]).toMatchObject({ requireExp: false, clockTolerance: 5, audience: 'agents' });
  });

  test('other options are another policy; the same ones in another order are not', () => {
    const { cache, compiled } = setUp();
    const answers = [
      { typ: 'required', maxTokenAge: 5 },
      { maxTokenAge: 5, typ: 'required' },
      { typ: 'off' },
      undefined,
    ];
    const extra = createPolicyExtra(() => answers[0]);
    while (answers.length > 0) {
      cache.find(fields(), extra(fields()));
      answers.shift();
    }
    expect(compiled.map(({ typ }) => typ)).toEqual(['required', 'off', undefined]);
  });

  test.each([
    [
      'from its class',
      (keys) =>
        new (class KeySet {
          toJSON() {
            return { keys };
          }
        })(),
    ],
    ['from its prototype', (keys) => Object.create({ toJSON: () => ({ keys }) })],
    ['as a list', (keys) => Object.assign([], { toJSON: () => ({ keys }) })],
    ['in members nobody lists', (keys) => Object.defineProperty({}, 'keys', { value: keys })],
    ['in an instance', (keys) => ({ keys: [new Number(keys[0])] })],
  ])('what says its keys %s is another policy for each tenant', (_how, make) => {
    const { cache, compiled } = setUp();
    const sets = { a: make([1]), b: make([2]) };
    const extra = createPolicyExtra((_oidc, { tenantId }) => ({ jwks: sets[tenantId] }));
    for (const tenantId of ['a', 'b', 'a']) cache.find(fields(), extra(fields(), tenantId));
    expect(compiled.map(({ jwks }) => jwks)).toEqual([sets.a, sets.b, sets.a]);
  });

  test.each([
    ['a b', 'c', 'a b c'],
    [undefined, 'c', 'c'],
    ['a', undefined, 'a'],
    [7, 'c', 7],
    ['a', 7, 7],
  ])('a configured scope %p and an added one %p are both required', (scope, added, required) => {
    const { cache, compiled } = setUp();
    const entry = cache.find(fields({ scope }), createPolicyExtra({ scope: added })(fields()));
    expect(compiled[0].scope).toBe(required);
    expect(entry.scope).toBe(required);
  });

  test('the least recently used policy goes first, and no more than the capacity are held', () => {
    const { cache, compiled } = setUp();
    const at = (index) => cache.find(fields({ audience: `a${index}` }));
    for (let index = 0; index < CAPACITY; index += 1) at(index);
    at(0);
    at(CAPACITY);
    expect(compiled).toHaveLength(CAPACITY + 1);
    at(0);
    expect(compiled).toHaveLength(CAPACITY + 1);
    at(1);
    expect(compiled).toHaveLength(CAPACITY + 2);
  });
});

describe('a policy that cannot be used', () => {
  const refusing = (error) => {
    let compilations = 0;
    const compile = () => {
      compilations += 1;
      throw error;
    };
    return { ...setUp({ compile }), compilations: () => compilations };
  };

  test('is a failure with its code, remembered so that it is compiled once', () => {
    const error = new RemoteAuthError({ code: 'ERR_POLICY_ISSUER', fault: 'config', message: 'not a URL' });
    const { cache, compilations } = refusing(error);
    expect(cache.find(fields({ issuer: 'nonsense' }))).toEqual({ failure: error });
    expect(cache.find(fields({ issuer: 'nonsense' })).failure).toBe(error);
    expect(compilations()).toBe(1);
  });

  test('with values no policy can be made of is compiled each time, never mistaken for another', () => {
    const { cache, compiled } = setUp();
    cache.find(fields({ scope: undefined }));
    cache.find(fields({ scope: () => 'a' }));
    cache.find(fields({ issuer: 10n }));
    expect(compiled).toHaveLength(3);
  });

  test('any other error of the compiler is a bug and not swallowed', () => {
    const { cache } = refusing(new Error('bug'));
    expect(() => cache.find(fields())).toThrow('bug');
  });
});

describe('the environment', () => {
  test('OPENID_JWKS_URL stands in where the config has no jwksUri', () => {
    process.env.OPENID_JWKS_URL = 'https://login.example/jwks';
    const { cache, compiled } = setUp();
    cache.find(fields());
    cache.find(fields({ jwksUri: 'https://issuer.example/jwks' }));
    expect(compiled.map(({ jwksUri }) => jwksUri)).toEqual([
      'https://login.example/jwks',
      'https://issuer.example/jwks',
    ]);
  });

  test.each([
    ['OPENID_JWKS_URL_CACHE_TIME', '2 * 60 * 1000', { cacheMaxAge: 120000 }],
    ['PROXY', 'http://p.example:3128', { proxy: { http: 'http://p.example:3128', https: 'http://p.example:3128' } }],
    ['HTTPS_PROXY', 'http://p.example:3128', { proxy: { https: 'http://p.example:3128' } }],
  ])('%s makes another policy, at the very next request', (name, value, expected) => {
    const { cache, compiled } = setUp();
    cache.find(fields());
    process.env[name] = value;
    cache.find(fields());
    cache.find(fields());
    expect(compiled).toHaveLength(2);
    expect(compiled[0]).toMatchObject({ cacheMaxAge: 60000, proxy: undefined });
    expect(compiled[1]).toMatchObject(expected);
  });

  test('a bypass list that changes is another policy too', () => {
    process.env.PROXY = 'http://p.example:3128';
    const { cache, compiled } = setUp();
    cache.find(fields());
    process.env.NO_PROXY = 'issuer.example';
    cache.find(fields());
    expect(compiled.map(({ proxy }) => proxy.bypass)).toEqual([undefined, 'issuer.example']);
  });

  test('what the options say goes before it', () => {
    process.env.PROXY = 'http://p.example:3128';
    const { cache, compiled } = setUp();
    cache.find(fields(), createPolicyExtra({ proxy: {}, cacheMaxAge: 90000 })(fields()));
    expect(compiled[0]).toMatchObject({ proxy: {}, cacheMaxAge: 90000 });
  });

  test('OPENID_JWKS_URL of blanks counts: it is a wrong value, not an absent one', () => {
    process.env.OPENID_JWKS_URL = '  ';
    const { cache, compiled } = setUp();
    cache.find(fields());
    expect(compiled[0].jwksUri).toBe('  ');
  });

  test('a variable changed between two requests gives another policy', () => {
    const { cache, compiled } = setUp();
    process.env.OPENID_JWKS_URL = 'https://login.example/one';
    cache.find(fields());
    process.env.OPENID_JWKS_URL = 'https://login.example/two';
    cache.find(fields());
    process.env.OPENID_JWKS_URL = 'https://login.example/one';
    cache.find(fields());
    delete process.env.OPENID_JWKS_URL;
    cache.find(fields());
    expect(compiled.map(({ jwksUri }) => jwksUri)).toEqual([
      'https://login.example/one',
      'https://login.example/two',
      undefined,
    ]);
  });

  test.each([
    ['the same issuer', 'https://issuer.example/realms/a/'],
    ['the same issuer without its slash', 'https://issuer.example/realms/a'],
    ['the same issuer as a discovery URL', 'https://issuer.example/realms/a/.well-known/openid-configuration'],
  ])('OPENID_JWKS_URL counts when OPENID_ISSUER is %s', (_name, issuer) => {
    process.env.OPENID_JWKS_URL = 'https://issuer.example/jwks';
    process.env.OPENID_ISSUER = issuer;
    const { cache, compiled, logger } = setUp();
    cache.find(fields());
    expect(compiled[0].jwksUri).toBe('https://issuer.example/jwks');
    expect(logger.lines).toEqual([]);
  });

  test('OPENID_JWKS_URL is ignored, with one warning, when OPENID_ISSUER names another issuer', () => {
    process.env.OPENID_JWKS_URL = 'https://login.example/jwks';
    process.env.OPENID_ISSUER = 'https://login.example';
    const { cache, compiled, logger } = setUp();
    cache.find(fields());
    cache.find(fields());
    expect(compiled.map(({ jwksUri }) => jwksUri)).toEqual([undefined]);
    expect(logger.lines).toEqual([['warn', expect.stringContaining('OPENID_JWKS_URL is ignored for issuer')]]);
  });

  test('OPENID_EMAIL_CLAIM becomes part of the policy, trimmed', () => {
    process.env.OPENID_EMAIL_CLAIM = '  mail ';
    const { cache, compiled } = setUp();
    expect(cache.find(fields()).emailClaim).toBe('mail');
    expect(compiled[0].emailClaim).toBe('mail');
  });

  test('OPENID_EMAIL_CLAIM of blanks is not set', () => {
    process.env.OPENID_EMAIL_CLAIM = '   ';
    const { cache, compiled } = setUp();
    cache.find(fields());
    expect(compiled[0].emailClaim).toBeUndefined();
  });

  test('each variable is read only on the branch that needs it', () => {
    const original = process.env;
    const read = [];
    process.env = new Proxy(
      { ...original },
      {
        get: (target, name) => {
          read.push(name);
          return target[name];
        },
      },
    );
    try {
      const { cache } = setUp();
      cache.find(fields({ jwksUri: 'https://issuer.example/jwks' }));
      expect(read).toEqual(['OPENID_EMAIL_CLAIM', ...CACHE, TOLERANCE, ...PROXIES]);
      read.length = 0;
      cache.find(fields());
      expect(read).toEqual(['OPENID_EMAIL_CLAIM', ...CACHE, TOLERANCE, ...PROXIES, 'OPENID_JWKS_URL']);
      process.env.OPENID_JWKS_URL = 'https://login.example/jwks';
      read.length = 0;
      cache.find(fields());
      expect(read).toEqual(['OPENID_EMAIL_CLAIM', ...CACHE, TOLERANCE, ...PROXIES, 'OPENID_JWKS_URL', 'OPENID_ISSUER']);
    } finally {
      process.env = original;
    }
  });
});

describe('the latest policy of an issuer', () => {
  const tolerant = createPolicyExtra({ clockTolerance: 5 })(fields());

  test('is the one that was found, for equal fields', () => {
    const { cache, compiled } = setUp();
    expect(cache.latest(fields(), NOTHING)).toBeUndefined();
    const entry = cache.find(fields({ audience: ['agents', 'others'] }));
    expect(cache.latest(fields({ audience: ['agents', 'others'] }), NOTHING)).toBe(entry);
    expect(compiled).toHaveLength(1);
  });

  test.each([
    ['issuer', { issuer: 'https://issuer.example/realms/a' }],
    ['audience', { audience: 'others' }],
    ['audience as a list', { audience: ['agents'] }],
    ['jwksUri', { jwksUri: 'https://issuer.example/jwks' }],
    ['scope', { scope: 'agents:use' }],
  ])('is not that of another %s', (_name, change) => {
    const { cache } = setUp();
    cache.find(fields());
    expect(cache.latest(fields(change), NOTHING)).toBeUndefined();
  });

  test('is not that of other options', () => {
    const { cache } = setUp();
    cache.find(fields());
    expect(cache.latest(fields(), tolerant)).toBeUndefined();
    cache.find(fields(), tolerant);
    expect(cache.latest(fields(), NOTHING)).toBeUndefined();
  });

  test.each([
    ['OPENID_EMAIL_CLAIM', 'mail'],
    ['OPENID_JWKS_URL_CACHE_ENABLED', 'false'],
    ['OPENID_JWKS_URL_CACHE_TIME', '120000'],
    [TOLERANCE, '5'],
    ['OPENID_JWKS_URL', 'https://login.example/jwks'],
  ])('is not that of before %s was set, or taken away', (name, value) => {
    const { cache } = setUp();
    cache.find(fields());
    process.env[name] = value;
    expect(cache.latest(fields(), NOTHING)).toBeUndefined();
    const entry = cache.find(fields());
    expect(cache.latest(fields(), NOTHING)).toBe(entry);
    delete process.env[name];
    expect(cache.latest(fields(), NOTHING)).toBeUndefined();
  });

  test('is not that of another login issuer, where its keys count', () => {
    process.env.OPENID_JWKS_URL = 'https://login.example/jwks';
    const { cache } = setUp();
    cache.find(fields());
    process.env.OPENID_ISSUER = 'https://login.example';
    expect(cache.latest(fields(), NOTHING)).toBeUndefined();
    cache.find(fields());
    expect(cache.latest(fields(), NOTHING)).toBeDefined();
  });

  test.each([...PROXIES, 'NO_PROXY'])('looks at no proxy: %s decides how keys are asked for', (name) => {
    const { cache } = setUp();
    const entry = cache.find(fields());
    process.env[name] = 'http://p.example:3128';
    expect(cache.latest(fields(), NOTHING)).toBe(entry);
  });

  test('has no answer where the environment is not the process’s', () => {
    const { cache } = setUp({ environment: (oidc) => readEnvironment(oidc) });
    cache.find(fields());
    expect(cache.latest(fields(), NOTHING)).toBeUndefined();
  });

  test('counts as used: it is not the one that goes', () => {
    const { cache, compiled } = setUp();
    const at = (index) => fields({ issuer: `https://${index}.example` });
    for (let index = 0; index < CAPACITY; index += 1) cache.find(at(index));
    cache.latest(at(0), NOTHING);
    cache.find(at(CAPACITY));
    expect(cache.latest(at(0), NOTHING)).toBeDefined();
    expect(cache.latest(at(1), NOTHING)).toBeUndefined();
    expect(compiled).toHaveLength(CAPACITY + 1);
  });
});

describe('everything that is read for a policy is part of what it is found by', () => {
  /** Environments that between them have every member `readEnvironment` can give. */
  const everyMember = () => {
    Object.assign(process.env, {
      OPENID_EMAIL_CLAIM: 'mail',
      OPENID_JWKS_URL: 'https://issuer.example/jwks',
      NO_PROXY: 'a.example',
    });
    Object.assign(process.env, {
      HTTP_PROXY: 'http://proxy.example:1',
      HTTPS_PROXY: 'http://proxy.example:2',
      [TOLERANCE]: '5',
    });
    const accepted = readEnvironment(fields());
    Object.assign(process.env, { OPENID_ISSUER: 'https://other.example', [TOLERANCE]: 'five' });
    return { ...accepted, ...readEnvironment(fields()) };
  };
  /** The names of all members, those of `proxy` as `proxy.http`. */
  const membersOf = (object, prefix = '') =>
    Object.entries(object).flatMap(([name, value]) =>
      typeof value === 'object' && value !== null ? membersOf(value, `${prefix}${name}.`) : [`${prefix}${name}`],
    );
  const changed = (object, name) => {
    const [first, ...rest] = name.split('.');
    return { ...object, [first]: rest.length > 0 ? changed(object[first], rest.join('.')) : `other ${object[first]}` };
  };

  test('of the environment', () => {
    const environment = everyMember();
    const members = membersOf(environment);
    expect(members).toEqual(
      expect.arrayContaining(['jwksUri', 'ignoredJwksUri', 'ignoredClockTolerance', 'proxy.http', 'proxy.bypass']),
    );
    for (const name of members) {
      let current = environment;
      const { cache, compiled } = setUp({ environment: () => current });
      cache.find(fields());
      const before = compiled.length;
      current = changed(environment, name);
      cache.find(fields());
      expect([name, compiled.length > before]).toEqual([name, true]);
    }
  });

  test('of the block', () => {
    const { oidc } = readAuthConfig({
      endpoints: {
        agents: { remoteApi: { auth: { oidc: { enabled: true, issuer: 'https://issuer.example', audience: 'a' } } } },
      },
    });
    for (const name of Object.keys(oidc.fields)) {
      const { cache, compiled } = setUp();
      cache.find(oidc.fields);
      cache.find({ ...oidc.fields, [name]: 'https://other.example' });
      expect([name, compiled.length]).toEqual([name, 2]);
    }
  });
});
