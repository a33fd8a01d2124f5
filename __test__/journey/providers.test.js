'use strict';

// Providers nobody here has written, beside oidc-provider (which the demo uses): one journey each with glewlwyd and with one made of
// Authlib, from their own token endpoints to the user on the request.

const { createRemoteAgentAuth } = require('../..');
const { bareResponse, configOf, recordingLogger } = require('../support/fakes');
const { describeWith } = require('../support/needs');
const authlib = require('../support/providers/authlib');
const glewlwyd = require('../support/providers/glewlwyd');

const subjectOf = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString('utf8')).sub;

const PROVIDERS = [
  { name: 'glewlwyd', missing: glewlwyd.missing, start: glewlwyd.startGlewlwyd, idTokens: true, rotates: false },
  { name: 'Authlib', missing: authlib.missing, start: authlib.startAuthlib, idTokens: false, rotates: true },
];

for (const { name, missing, start, idTokens, rotates } of PROVIDERS) {
  describeWith(name, missing, { required: false })(name, () => {
    let provider;
    let logger;

    beforeAll(async () => {
      provider = await start();
    }, 60_000);
    afterAll(() => provider?.stop());
    beforeEach(() => {
      logger = recordingLogger();
    });

    /** One request; `subject` is whom the database knows. */
    async function send(token, { subject, audience = provider.audience, scope = provider.scope } = {}) {
      const oidc = { enabled: true, issuer: provider.issuer, audience, scope };
      const handler = createRemoteAgentAuth({
        getAppConfig: async () => configOf({ apiKey: { enabled: false }, oidc }),
        findUser: async ({ openidId, openidIssuer }) =>
          openidId === subject && openidIssuer === provider.issuer
            ? { _id: 'ada', openidId, openidIssuer, role: 'USER' }
            : null,
        updateUser: async () => null,
        apiKeyMiddleware: () => {},
        logger,
      });
      const req = { headers: { authorization: `Bearer ${token}` } };
      const res = bareResponse();
      let passed = 0;
      await handler(req, res, () => void (passed += 1));
      return passed === 1 ? req.user.id : [res.sent[0].status, logger.lines.at(-1)[2]?.code];
    }

    test('its access tokens let their subject in, and nobody else’s do', async () => {
      const { access } = await provider.tokens();
      const subject = subjectOf(access);
      expect(await send(access, { subject })).toBe('ada');
      expect(await send(access, { subject: 'somebody else' })).toEqual([401, undefined]);
      expect(await send(access, { subject, audience: 'https://wiki.example.com/api' })).toEqual([
        401,
        'ERR_TOKEN_AUDIENCE',
      ]);
      expect(await send(access, { subject, scope: 'agents:administer' })).toEqual([401, undefined]);
      const [header, payload, signature] = access.split('.');
      const bytes = Buffer.from(signature, 'base64url');
      bytes[9] ^= 1;
      const forged = `${header}.${payload}.${bytes.toString('base64url')}`;
      expect(await send(forged, { subject })).toEqual([401, 'ERR_SIGNATURE_INVALID']);
    });

    if (idTokens) {
      test('its ID tokens let nobody in', async () => {
        const { access, id } = await provider.tokens();
        const [status, code] = await send(id, { subject: subjectOf(access) });
        expect(status).toBe(401);
        expect(code).toMatch(/^ERR_(ID_TOKEN|TOKEN_AUDIENCE)$/);
      });
    }

    if (rotates) {
      test('its next key is used at once, and the withdrawn one no more', async () => {
        const old = (await provider.tokens()).access;
        expect(await send(old, { subject: 'ada' })).toBe('ada');
        await provider.rotate();
        const { access } = await provider.tokens();
        expect(await send(access, { subject: 'ada' })).toBe('ada');
        expect(await send(old, { subject: 'ada' })).toEqual([401, 'ERR_KEY_NOT_FOUND']);
      });
    }
  });
}
