'use strict';

// docs/providers: every section with a configuration has a token that it lets in and the usual mistakes. Each is minted here and
// sent through the middleware, with the very configuration of the page; the keys are given, everything else is the page's.

const { createHash, generateKeyPairSync, sign } = require('node:crypto');
const yaml = require('js-yaml');
const { configSchema } = require('librechat-data-provider');
const { RemoteTokenVerifier, createRemoteAgentAuth } = require('../..');
const { bareResponse, recordingLogger } = require('../support/fakes');
const { encode } = require('../support/issuer');
const { blocksOf, documents, read, rowsOf } = require('../support/markdown');

const { publicKey, privateKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { format: 'jwk' },
});

/**
 * @typedef {{ yaml: string, js: string | undefined, header: any, claims: any, mistakes: string[][] }} Recipe
 * @typedef {{ token?: string, header: any, claims: any, oidc: any, extra: any }} Attempt
 */

/** @param {string} text @param {string} file @returns {Recipe | undefined} of one section, where it has a configuration */
function recipeIn(text, file) {
  const blocks = blocksOf(text, file);
  const of = (/** @type {string} */ language) =>
    blocks.filter((block) => block.language === language).map((block) => block.text);
  const [config] = of('yaml');
  if (config === undefined) return undefined;
  const [header, claims] = of('json').map((json) => JSON.parse(json));
  const mistakes = rowsOf(text).filter((row) => row.length === 4 && row[0] !== 'What went wrong');
  return { yaml: config, js: of('js')[0], header, claims, mistakes };
}

const pages = documents().filter((file) => /^docs\/providers\/(?!README)/.test(file));
const recipes = pages.flatMap((file) =>
  read(file)
    .split(/^(?=## )/m)
    .map((section) => ({ name: `${file}, ${/^## (.*)/.exec(section)?.[1]}`, recipe: recipeIn(section, file) }))
    .filter((found) => found.recipe !== undefined),
);

/** Now, for these tokens: the pages' times are examples. */
const clockAt = (/** @type {any} */ claims) => () => claims.iat + 60;

/**
 * The page's block as it stands, with our factory in the place of the package's: gives the options it passes.
 * @param {string | undefined} code
 * @param {() => number} clock
 */
function optionsOf(code, clock) {
  if (code === undefined) return {};
  class Verifier extends RemoteTokenVerifier {
    constructor() {
      super({ clock });
    }
  }
  const factory = (/** @type {unknown} */ _deps, /** @type {unknown} */ options) => options;
  const required = { RemoteTokenVerifier: Verifier, createRemoteAgentAuth: factory };
  const run = /\brequire\(/.test(code)
    ? new Function('require', 'deps', `${code}\nreturn auth;`).bind(undefined, () => required)
    : new Function('createRemoteAgentAuth', 'deps', `${code}\nreturn auth;`).bind(undefined, factory);
  return run({});
}

/** @param {any} header @param {any} claims @param {import('node:crypto').KeyObject} [key] */
function minted(header, claims, key = privateKey) {
  // Microsoft signs tokens for Graph with the hash of the nonce it sends along, so that nobody else can check them.
  const nonce = header.nonce && createHash('sha256').update(header.nonce).digest('base64url');
  const signed = `${encode(nonce ? { ...header, nonce } : header)}.${encode(claims)}`;
  const signature = sign('sha256', Buffer.from(signed), key).toString('base64url');
  return `${encode(header)}.${encode(claims)}.${signature}`;
}

/**
 * The good token, its policy, and what a cell of "In the token" changes about them.
 * @param {Recipe} recipe
 * @param {string} [cell]
 * @returns {Attempt}
 */
function attempt(recipe, cell = '') {
  const extra = {};
  const made = {
    header: { ...recipe.header },
    claims: { ...recipe.claims },
    oidc: /** @type {any} */ (yaml.load(recipe.yaml)).endpoints.agents.remoteApi.auth.oidc,
    extra,
  };
  const changes = [...cell.matchAll(/(?:(header|no|text|configured) )?`([^`]*)`(?:; |$)/g)];
  expect(changes.map(([change]) => change).join('')).toBe(cell);
  for (const [, kind, value] of changes) {
    if (kind === 'text') made.token = value;
    else if (kind === 'no') delete made.claims[value];
    else if (kind === 'header') Object.assign(made.header, JSON.parse(`{${value}}`));
    else if (kind === 'configured') {
      const [[name, configured]] = Object.entries(yaml.load(value));
      Object.assign(name in made.oidc || name === 'jwksUri' ? made.oidc : extra, { [name]: configured ?? undefined });
    } else Object.assign(made.claims, JSON.parse(`{${value}}`));
  }
  return made;
}

/** @param {Recipe} recipe */
function keysOf(recipe) {
  return { keys: [{ ...publicKey, kid: recipe.header.kid, alg: 'RS256', use: 'sig' }] };
}

/**
 * One request through the middleware, and the code that the verifier gave it.
 * @param {Recipe} recipe
 * @param {string} [cell]
 * @param {import('node:crypto').KeyObject} [key]
 */
async function send(recipe, cell, key) {
  const { token, header, claims, oidc, extra } = attempt(recipe, cell);
  const clock = clockAt(recipe.claims);
  const { verifier = new RemoteTokenVerifier({ clock }), policy, ...options } = optionsOf(recipe.js, clock);
  // Given keys take the place of the key URL.
  const { jwksUri: _unused, ...block } = oidc;
  const added = { ...(typeof policy === 'function' ? policy(block, {}) : policy), ...extra, jwks: keysOf(recipe) };
  const presented = token ?? minted(header, claims, key);
  const config = {
    version: '1.2.1',
    endpoints: { agents: { remoteApi: { auth: { apiKey: { enabled: false }, oidc: block } } } },
  };
  const asked = [];
  const auth = createRemoteAgentAuth(
    {
      getAppConfig: async () => config,
      findUser: async (filter) => {
        asked.push(filter);
        return filter.openidId === recipe.claims.sub ? { _id: '1', ...filter } : null;
      },
      updateUser: async () => null,
      apiKeyMiddleware: () => {},
      logger: recordingLogger(),
    },
    { ...options, verifier, policy: () => added },
  );
  const res = bareResponse();
  const req = { headers: { authorization: `Bearer ${presented}` } };
  let passed = false;
  await auth(req, res, () => (passed = true));
  const code = await verifier.verify(presented, { ...block, ...added, enabled: undefined }).then(
    () => 'accepted',
    (error) => error.code,
  );
  return { passed, status: res.sent[0]?.status, code, asked };
}

test('there is a page for each provider of the list, and a recipe on each page', () => {
  const listed = [...read('docs/providers/README.md').matchAll(/^\| \[.*?\]\((.*?)\)/gm)].map(
    ([, file]) => `docs/providers/${file}`,
  );
  expect([...pages].sort()).toEqual([...listed].sort());
  for (const file of pages) expect(recipes.some(({ name }) => name.startsWith(file))).toBe(true);
});

describe.each(recipes)('$name', ({ recipe }) => {
  test('LibreChat’s own schema takes the block, and keeps it whole', () => {
    const written = /** @type {any} */ (yaml.load(recipe.yaml));
    const parsed = configSchema.parse({ version: '1.2.1', ...written });
    expect(parsed.endpoints.agents.remoteApi.auth.oidc).toEqual(written.endpoints.agents.remoteApi.auth.oidc);
    expect(Object.keys(written.endpoints.agents.remoteApi.auth.oidc).length).toBeLessThanOrEqual(5);
  });

  test('the factory takes the options of the page as they stand', () => {
    const callback = async () => null;
    const deps = { getAppConfig: callback, findUser: callback, updateUser: callback, apiKeyMiddleware: callback };
    expect(
      createRemoteAgentAuth(
        deps,
        optionsOf(recipe.js, () => 0),
      ),
    ).toBeInstanceOf(Function);
  });

  test('the token shown is let in, for the account of its subject and issuer', async () => {
    const { passed, code, asked } = await send(recipe);
    expect([passed, code]).toEqual([true, 'accepted']);
    expect(asked[0]).toMatchObject({ openidId: recipe.claims.sub });
  });

  test('it is refused when a stranger signed it, for another audience, and after its end', async () => {
    const stranger = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      publicKeyEncoding: { format: 'jwk' },
    }).privateKey;
    const refused = { passed: false, status: 401 };
    expect(await send(recipe, undefined, stranger)).toMatchObject({ ...refused, code: 'ERR_SIGNATURE_INVALID' });
    expect(await send(recipe, `\`"exp": ${recipe.claims.iat + 60}\``)).toMatchObject({
      ...refused,
      code: 'ERR_TOKEN_EXPIRED',
    });
    const elsewhere = await send(recipe, '`"aud": "https://elsewhere.example.com"`; `"client_id": "elsewhere"`');
    expect(elsewhere).toMatchObject({
      ...refused,
      code: expect.stringMatching(/^ERR_(TOKEN_AUDIENCE|TOKEN_CLIENT|ID_TOKEN)$/),
    });
  });

  test.each(recipe.mistakes)('%s: %s is %s', async (_what, cell, expected) => {
    expect(await send(recipe, cell)).toMatchObject({ passed: false, status: 401, code: expected.replaceAll('`', '') });
  });

  test('there are usual mistakes', () => {
    expect(recipe.mistakes.length).toBeGreaterThanOrEqual(3);
  });
});
