'use strict';

// The two routes of LibreChat's Remote Agent API behind the middleware. What LibreChat brings along itself (the loaded
// configuration, the database calls, the API-key middleware) is brought along here by stand-ins of the same shape.

const fs = require('node:fs');
const path = require('node:path');
const express = require('express');
// @ts-ignore: js-yaml ships no types
const yaml = require('js-yaml');
const { configSchema } = require('librechat-data-provider');
const { createRemoteAgentAuth } = require('remote-agent-auth');

const AGENT = 'agent_demo';

/**
 * Reads `examples/librechat.yaml`, puts the issuer of this run into it, and validates it as LibreChat does on start.
 * @param {string} issuer
 */
function loadConfig(issuer) {
  const file = path.join(__dirname, '..', 'librechat.yaml');
  const document = /** @type {any} */ (yaml.load(fs.readFileSync(file, 'utf8')));
  document.endpoints.agents.remoteApi.auth.oidc.issuer = issuer;
  return /** @type {any} */ (configSchema.parse(document));
}

/**
 * LibreChat's API-key middleware in small: a key in place of a token, errors in OpenAI's form.
 * @param {{ validateAgentApiKey: Function, findUser: Function }} deps
 * @returns {import('express').RequestHandler}
 */
function createApiKeyMiddleware({ validateAgentApiKey, findUser }) {
  return async (req, res, next) => {
    /** @param {string} code @param {string} message */
    const refuse = (code, message) => {
      res.status(401).json({ error: { message, type: 'invalid_request_error', code } });
    };
    const header = req.headers.authorization;
    const key = header?.startsWith('Bearer ') ? header.slice('Bearer '.length).trim() : '';
    if (!key) return refuse('missing_api_key', 'Send an agent API key as a Bearer token.');
    const valid = await validateAgentApiKey(key);
    const user = valid && (await findUser({ _id: valid.userId }));
    if (!user) return refuse('invalid_api_key', 'This agent API key is not known.');
    Object.assign(req, { user: { ...user, id: user._id }, apiKeyId: valid.keyId });
    next();
  };
}

/**
 * @param {object} deps
 * @param {object} deps.config the validated librechat.yaml
 * @param {ReturnType<typeof import('./store.js').createStore>} deps.store
 * @param {import('remote-agent-auth').RemoteAgentAuthLogger} deps.logger
 * @param {import('remote-agent-auth').RemoteTokenVerifier} [deps.verifier]
 */
function createApp({ config, store, logger, verifier }) {
  const remoteAgentAuth = createRemoteAgentAuth(
    {
      apiKeyMiddleware: createApiKeyMiddleware(store),
      findUser: store.findUser,
      updateUser: store.updateUser,
      // For the calls with provisioning on; who may have an account is said by `registration.allowedDomains`.
      createUser: store.createUser,
      isEmailDomainAllowed: () => true,
      // One tenant here, so `{ baseOnly: true }` and `{ tenantId }` lead to the same configuration.
      getAppConfig: async () => config,
      logger,
    },
    verifier ? { verifier } : {},
  );

  const app = express();
  app.use('/api/agents/v1', remoteAgentAuth);

  app.get('/api/agents/v1/models', (_req, res) => {
    res.json({
      object: 'list',
      data: [{ id: AGENT, object: 'model', created: 0, owned_by: 'demo' }],
    });
  });

  app.post('/api/agents/v1/chat/completions', express.json(), (req, res) => {
    const { user } = /** @type {any} */ (req);
    const asked = req.body?.messages?.at(-1)?.content ?? '';
    res.json({
      id: 'chatcmpl-demo',
      object: 'chat.completion',
      created: Math.floor(Date.now() / 1000),
      model: AGENT,
      choices: [
        {
          index: 0,
          finish_reason: 'stop',
          message: { role: 'assistant', content: `${user.name}, you said: ${asked}` },
        },
      ],
    });
  });
  return app;
}

module.exports = { createApp, loadConfig, AGENT };
