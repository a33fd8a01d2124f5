// Compiled by types.test.js and run by native-types.test.js: every member that native.d.ts declares, used as it is declared. A member
// that is forgotten here does not compile.

import {
  compilePolicy,
  createRemoteAgentAuth,
  verifyRemoteToken,
  type CompiledPolicy,
  type Failure,
  type ForAudience,
  type KeyOptions,
  type Outcome,
  type PolicyOptions,
  type PolicyRules,
  type RecheckHandle,
  type RemoteAgentAuth,
  type RequiredGrants,
  type Success,
} from 'remote-agent-auth/native';

export interface Given {
  policy: PolicyOptions;
  /** Accepted, with everything a token can say. */
  accepted: string;
  /** Refused for its audience. */
  refused: string;
  /** A policy whose provider cannot be reached. */
  unreachable: PolicyOptions;
  /** A JWK Set, and a file with one. */
  jwks: { keys: object[] };
  jwksFile: string;
  snapshotFile: string;
  certificate: { cert: string; key: string };
}

type Every<T> = { [Member in keyof Required<T>]: T[Member] };
type Results<T> = { [Method in keyof T]: T[Method] extends (...args: never[]) => infer R ? Awaited<R> : never };

function success(outcome: Outcome): Success {
  if (!outcome.ok) throw new Error(`${outcome.code}: ${outcome.message}`);
  return outcome;
}

function failure(outcome: Outcome): Failure {
  if (outcome.ok) throw new Error('accepted');
  return outcome;
}

function compiled(policy: CompiledPolicy | Failure): CompiledPolicy {
  if ('ok' in policy) throw new Error(`${policy.code}: ${policy.message}`);
  return policy;
}

function optionsOf({ policy, jwks, jwksFile, snapshotFile, certificate }: Given): Every<PolicyRules & ForAudience> {
  const grants: Every<Exclude<RequiredGrants, string[]>> = { any: ['a'], all: ['b'], claim: 'groups' };
  const keys: Every<KeyOptions> = {
    jwks,
    jwksFile,
    snapshotFile,
    cacheMaxAge: 60_000,
    maxStale: 0,
    maxAdvisedAge: 60,
    proxy: { http: 'http://proxy.example', https: 'http://proxy.example', bypass: 'localhost' },
    ca: [certificate.cert],
    clientCertificate: certificate,
    refusePrivateAddresses: true,
    maxBodyBytes: 1024,
  };
  return {
    ...keys,
    issuer: policy.issuer,
    audience: ['agents'],
    jwksUri: 'https://issuer.example/keys',
    scope: 'a b',
    enabled: true,
    algorithms: ['EdDSA'],
    requireExp: false,
    requireSubject: false,
    requireKid: true,
    requireUnbound: true,
    introspection: {
      clientId: 'a',
      auth: 'private_key_jwt',
      // RFC 7515 A.3.
      privateKey: {
        kty: 'EC',
        crv: 'P-256',
        x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU',
        y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0',
        d: 'jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI',
      },
      kid: 'k',
      alg: 'ES256',
      assertionAudience: 'https://issuer.example/token',
      endpoint: 'https://issuer.example/introspect',
      cacheMs: 0,
      opaque: true,
      also: true,
      signed: true,
    },
    clockTolerance: 1,
    emailClaim: 'mail',
    maxTokenBytes: 1024,
    maxTokenAge: 60,
    maxTokenLifetime: 60,
    typ: 'required',
    allowedClients: ['a'],
    allowedActors: ['a'],
    clientClaim: 'cid',
    profile: 'kubernetes',
    tokenUse: 'access',
    allowedTenants: ['9122040d-6c67-4c5b-b112-36a304b66dad'],
    requiredRoles: grants,
    requiredAppRoles: ['a'],
    requiredPermissions: ['a'],
  };
}

export async function useEverything(given: Given) {
  const { policy, accepted, refused, unreachable } = given;
  const auth: RemoteAgentAuth = createRemoteAgentAuth({ verdictCache: true, maxQueued: 8192 });
  const compiledPolicy = compiled(compilePolicy(policy));

  const now = Math.floor(Date.now() / 1000);
  const first = success(await verifyRemoteToken(accepted, compiledPolicy, now));
  const handle: RecheckHandle = first.verdict;
  const methods: Results<RemoteAgentAuth> = {
    prefetch: await auth.prefetch(compiledPolicy),
    check: await auth.check(accepted, compiledPolicy, now),
    recheck: await auth.recheck(handle, policy, now),
    stats: auth.stats(),
    clear: auth.clear(),
  };

  const token = failure(await auth.check(refused, { ...policy, profile: 'kubernetes' }));
  const upstream = failure(await auth.check(accepted, unreachable));
  const failures: Every<Failure> = {
    ok: token.ok,
    code: token.code,
    fault: token.fault,
    message: token.message,
    expected: token.expected,
    got: token.got,
    hint: token.hint,
    retryAfter: upstream.retryAfter,
    reason: upstream.reason,
    host: upstream.host,
  };

  const options: Record<string, CompiledPolicy> = {};
  for (const [name, value] of Object.entries(optionsOf(given))) {
    // An issuer of one tenant has no tenants to allow.
    const issuer = name === 'allowedTenants' ? 'https://login.microsoftonline.com/common/v2.0' : policy.issuer;
    options[name] = compiled(compilePolicy({ issuer, audience: 'agents', [name]: value } as PolicyOptions));
  }

  const successes: Every<Success> = {
    ok: first.ok,
    claims: first.claims,
    header: first.header,
    subject: first.subject,
    oid: first.oid,
    email: first.email,
    emailSource: first.emailSource,
    emailClaimProblem: first.emailClaimProblem,
    emailVerified: first.emailVerified,
    issuerIndex: first.issuerIndex,
    looksLikeIdToken: first.looksLikeIdToken,
    isBound: first.isBound,
    expiresAt: first.expiresAt,
    scopes: first.scopes,
    verdict: first.verdict,
  };
  return { Success: successes, Failure: failures, RemoteAgentAuth: methods, options };
}
