'use strict';

// A real provider's logout tokens: oidc-provider posts them, and its access tokens are refused from then on.

const { fork } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');
const express = require('express');
const { RemoteTokenVerifier, backchannelLogout } = require('../..');
const { score } = require('../support/score');

test('oidc-provider logs a subject out, and a session; its opaque tokens are asked about', async () => {
  const outcomes = [];
  const app = express();
  /** @type {import('express').RequestHandler} */
  let handler;
  app.post('/logout', express.urlencoded({ extended: false }), (req, res, next) => handler(req, res, next));
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${server.address().port}/logout`;
  const child = fork(path.join(__dirname, '..', 'support', 'children', 'logging-out-provider.mjs'), [url]);
  try {
    const [{ ready: issuer }] = await once(child, 'message');
    const ask = async (what) => {
      child.send({ id: 1, ...what });
      const [{ result, error }] = await once(child, 'message');
      if (error !== undefined) throw new Error(error);
      return result;
    };
    handler = backchannelLogout({
      policy: { issuer, audience: 'machine' },
      extent: 'subject',
      onLogout: ({ code = 'ok' }) => outcomes.push(code),
    });
    const verifier = new RemoteTokenVerifier();
    const policy = { issuer, audience: 'https://api.example.com', scope: 'read' };
    const token = await ask({ do: 'token' });
    expect(await verifier.verify(token, policy)).toMatchObject({ subject: 'machine' });

    expect(await ask({ do: 'logout', sub: 'somebody', sid: 'a-session' })).toEqual([200]);
    expect(await verifier.verify(token, policy)).toMatchObject({ subject: 'machine' });
    expect(await ask({ do: 'logout', sub: 'machine' })).toEqual([200]);
    expect(outcomes).toEqual(['ok', 'ok']);
    await expect(verifier.verify(token, policy)).rejects.toMatchObject({ code: 'ERR_TOKEN_REVOKED' });
    const introspection = { clientId: 'machine', clientSecret: 'the-secret-of-machine', cacheMs: 0 };
    const audience = 'https://opaque.example.com';
    const asked = { issuer, audience, scope: 'read', requireSubject: false, introspection };
    const opaque = await ask({ do: 'token', resource: audience });
    expect(opaque).not.toContain('.');
    const { claims } = await verifier.verify(opaque, asked);
    expect(claims).toMatchObject({ active: true, client_id: 'machine', scope: 'read' });
    const other = { ...asked, audience: 'x' };
    await expect(verifier.verify(opaque, other)).rejects.toMatchObject({ code: 'ERR_TOKEN_AUDIENCE' });
    expect(await ask({ do: 'revoke', token: opaque })).toBe(200);
    await expect(verifier.verify(opaque, asked)).rejects.toMatchObject({ code: 'ERR_TOKEN_INACTIVE' });
    score(
      'S55',
      'oidc-provider’s logout tokens accepted, its subject refused from then on',
      'back-channel logout',
      true,
    );
  } finally {
    child.disconnect();
    server.close();
    server.closeAllConnections();
  }
}, 60_000);
