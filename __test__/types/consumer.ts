// Compiled, never run, by types.test.js, once against each major of @types/express: what a TypeScript host
// writes must be accepted without a cast.

import express, { type RequestHandler } from 'express';
import {
  RemoteAuthError,
  RemoteTokenVerifier,
  allOf,
  check,
  clearRemoteAgentAuthCache,
  createAgentManagementAuth,
  createBearerAuth,
  createRemoteAgentAuth,
  createTenantMiddlewares,
  enabledAuthMethods,
  requireScopes,
  toolIdentity,
  verifyRemoteToken,
  type PolicyOptions,
  type RemoteAgentAuthDeps,
  type RemoteAgentAuthOptions,
  type RemoteAuthErrorCode,
} from 'remote-agent-auth';
import * as librechat from 'remote-agent-auth/librechat';
import { createRemoteAgentAuth as createNative } from 'remote-agent-auth/native';

// LibreChat's augmentation: its user always has an id.
declare global {
  namespace Express {
    interface User {
      id: string;
    }
    interface Request {
      user?: User;
    }
  }
}

/** LibreChat's user document, as far as it matters here. */
interface IUser {
  _id: { toString(): string };
  id?: string;
  email: string;
  provider: string;
  role?: string;
  openidId?: string;
  openidIssuer?: string;
  tenantId?: string;
}

declare const apiKeyMiddleware: RequestHandler;
declare function getRolesByNames(names: string[], fields?: string | string[] | null): Promise<Array<{ name: string }>>;
declare function isPrincipalActive(userId: string): Promise<boolean>;
declare function findUser(filter: { email?: string; openidId?: string }, fields?: string): Promise<IUser | null>;
declare function updateUser(userId: string, fields: Partial<IUser>): Promise<IUser | null>;
declare function getAppConfig(options?: { role?: string; userId?: string; tenantId?: string; baseOnly?: boolean }): Promise<object>;
declare const winston: { debug(...args: unknown[]): void; info(...args: unknown[]): void; warn(...args: unknown[]): void; error(...args: unknown[]): void };

const deps: RemoteAgentAuthDeps = {
  apiKeyMiddleware,
  findUser,
  updateUser,
  getAppConfig,
  logger: winston,
  getTenantId: () => undefined,
  runInTenant: (tenantId, fn) => fn(),
  getRolesByNames,
  isPrincipalActive,
  tenantContextMiddleware: apiKeyMiddleware,
  onUserLookup: (result, seconds) => console.log(result === 'found', seconds.toFixed(3)),
};

const options: RemoteAgentAuthOptions = {
  policy: ({ issuer }, { tenantId }) =>
    tenantId === undefined ? undefined : { requireExp: false, algorithms: ['RS256', 'EdDSA'], clockTolerance: issuer ? 5 : 0 },
  responses: 'standard',
  bodies: 'openai',
  fallbackOnInvalidToken: false,
  allowEmailFallback: false,
  allowUnverifiedEmail: true,
  tenantConflict: 'reject',
  callbackTimeout: 5_000,
  realm: 'agents',
  verifier: new RemoteTokenVerifier({ clock: () => Date.now() / 1000 }),
};

const handler: RequestHandler = createRemoteAgentAuth(deps, options);
const app = express();
app.use('/api/agents/v1', handler, createRemoteAgentAuth(deps, { tenantConflict: 'allow' }), (req, res) => {
  res.json({ id: req.user?.id });
});

const { preAuthTenantMiddleware, tenantContextMiddleware } = createTenantMiddlewares({
  tenantStorage: { run: (_context, fn) => fn() },
  logger: winston,
});
const management = createAgentManagementAuth({ findUser, getAppConfig, isPrincipalActive, runInTenant: (_tenant, fn) => fn(), tenantContextMiddleware });
app.use('/api/agents/v1/management', preAuthTenantMiddleware, management, (req, res) => {
  const { user_id } = toolIdentity(req.user);
  res.json({ user_id: user_id?.toUpperCase(), keys: enabledAuthMethods({}).apiKey });
});

app.use(librechat.preAuthTenantMiddleware, librechat.createRemoteAgentAuth({ apiKeyMiddleware, findUser, updateUser, getAppConfig }));
app.use(librechat.createRemoteAgentAuth({ apiKeyMiddleware, findUser, updateUser, getAppConfig, isPrincipalActive }, { compat: 'v0.8.8', realm: 'a' }));
app.use(librechat.createAgentManagementAuth({ findUser, getAppConfig, isPrincipalActive }), librechat.tenantContextMiddleware);

export async function adapter(token: string): Promise<IUser | null> {
  const claims = await librechat.verifyOidcAccessToken(token, { issuer: 'https://issuer.example', audience: 'a' });
  const { user, error, migration } = await librechat.findOpenIDUser({
    findUser,
    openidId: claims.sub,
    email: librechat.getOpenIdEmail(claims),
    openidIssuer: librechat.getOpenIdIssuer(claims),
  });
  return error === null && !migration ? user : null;
}

export async function use(token: string): Promise<string> {
  const policy: PolicyOptions = { issuer: 'https://issuer.example', audience: ['a', 'b'], scope: 'agents:use' };
  try {
    const { claims, subject, scopes, expiresAt } = await verifyRemoteToken(token, policy);
    const untyped: unknown = claims['email'];
    return `${subject} ${scopes.join(' ')} ${expiresAt ?? ''} ${String(untyped)}`;
  } catch (error) {
    if (!(error instanceof RemoteAuthError)) throw error;
    const code: RemoteAuthErrorCode = error.code;
    if (code === 'ERR_TOKEN_EXPIRED') return error.fault;
    return `${error.name} ${error.status} ${error.retryAfter ?? 0}`;
  } finally {
    clearRemoteAgentAuthCache();
  }
}

export async function own(token: string, policy: PolicyOptions): Promise<boolean> {
  const outcome = createNative().check(token, policy);
  const settled = 'then' in outcome ? await outcome : outcome;
  if (settled.ok) return settled.subject !== '' && settled.verdict !== undefined;
  return settled.fault !== 'internal';
}

// What must not compile.
// @ts-expect-error the issuer is required; what may stand in for an audience is checked at run time
void verifyRemoteToken('t', { audience: 'agents' });
// @ts-expect-error an unknown option is an error at run time, too
createRemoteAgentAuth(deps, { requireExpiry: true });
// @ts-expect-error whom to trust is the configuration's to say
createRemoteAgentAuth(deps, { policy: { issuer: 'https://issuer.example' } });
// @ts-expect-error a dependency is missing
createRemoteAgentAuth({ apiKeyMiddleware, findUser, getAppConfig });
// @ts-expect-error codes are a closed set
export const unknownCode: RemoteAuthErrorCode = 'ERR_NO_SUCH_CODE';

// The general middleware: where Express wants a handler, and its guards beside it.
export const guarded = express.Router();
guarded.use(createBearerAuth({ issuer: 'https://issuer.example', audience: 'agents', authRequired: false, bodies: 'problem' }));
guarded.get('/', allOf(requireScopes('read'), check((auth) => auth.actor === undefined)), (_req, res) => void res.json({}));
createBearerAuth({ issuers: [{ issuer: 'a', audience: 'b', claimPaths: { roles: 'groups' } }] }).setIssuers([]);
createBearerAuth({ resolvePolicy: async (issuer) => ({ issuer, audience: 'b' }), onRefusal: (error) => error.headers['Retry-After'] });
// @ts-expect-error one policy or several
createBearerAuth({ issuer: 'https://issuer.example', audience: 'agents', issuers: [] });
// @ts-expect-error a guard is no text
allOf('read');
