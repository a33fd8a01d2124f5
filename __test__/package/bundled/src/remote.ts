import type { RequestHandler } from 'express';
import { RemoteAuthError, createRemoteAgentAuth, verifyRemoteToken } from 'remote-agent-auth';
import { getOpenIdEmail } from 'remote-agent-auth/librechat';
import * as native from 'remote-agent-auth/native';
import settings from './settings.json';

declare global {
  namespace Express {
    interface User {
      id: string;
    }
  }
}

const nobody = async (): Promise<null> => null;

/** The middleware with nobody in the database: every token is answered, none let in. */
export const requireRemoteAuth: RequestHandler = createRemoteAgentAuth({
  apiKeyMiddleware: (_req, res) => res.status(401).json({ error: 'API key required' }),
  findUser: nobody,
  updateUser: nobody,
  getAppConfig: async () => ({ endpoints: { agents: { remoteApi: { auth: { apiKey: { enabled: false }, oidc: { enabled: true, ...settings } } } } } }),
  logger: { debug() {}, info() {}, warn() {}, error() {} },
});

/** The code a token is refused with. */
export async function refusal(token: string): Promise<string> {
  try {
    const { claims } = await verifyRemoteToken(token, settings);
    return getOpenIdEmail(claims) ?? '';
  } catch (error) {
    return error instanceof RemoteAuthError ? error.code : 'another class';
  }
}

export const nativeNames = Object.keys(native);
