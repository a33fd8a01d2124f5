// What the code blocks of the documents may take for granted: names their text has introduced. docs.test.js compiles each block beside
// this file.

import type { RemoteAgentAuthDeps } from '../../index';

declare global {
  /** A compact JWS, without `Bearer`. */
  const token: string;
  const issuer: string;
  const audience: string;
  const scope: string;
  /** The host's callbacks. */
  const deps: RemoteAgentAuthDeps;
  const createRemoteAgentAuth: typeof import('../../index').createRemoteAgentAuth;
  const verifyRemoteToken: typeof import('../../index').verifyRemoteToken;
  /** An Express application. */
  const app: any;
  /** The public key of a `kid`, PEM. */
  const keyOf: (kid: string) => string;
  /** mongosh's, on LibreChat's database. */
  const db: { users: Record<string, (...args: object[]) => any> };

  namespace Express {
    interface User {
      email: string;
    }
    interface Request {
      user: User;
    }
  }
}
