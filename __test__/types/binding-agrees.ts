// Compiled, never run, by types.test.js: native.d.ts, written by hand, must name what the generated binding.d.ts names. Results
// differ: there they are encoded, here they are objects.

import type * as binding from '../../binding';
import type * as native from '../../native';

/** An error names the members that only one side has. */
type SameKeys<A, B> = [Exclude<keyof A, keyof B> | Exclude<keyof B, keyof A>] extends [never]
  ? true
  : Exclude<keyof A, keyof B> | Exclude<keyof B, keyof A>;
/** The arguments of a method or function; the handles are opaque on both sides. */
type SameArguments<A extends (...args: any[]) => unknown, B extends (...args: any[]) => unknown> =
  Parameters<B> extends Parameters<A> ? (Parameters<A>['length'] extends Parameters<B>['length'] ? true : false) : false;

export const verifier: SameKeys<binding.RemoteAgentAuth, native.RemoteAgentAuth> = true;
export const methods: { [M in keyof native.RemoteAgentAuth]: SameArguments<binding.RemoteAgentAuth[M], native.RemoteAgentAuth[M]> } =
  { check: true, recheck: true, prefetch: true, clear: true, stats: true };
type Calls = 'providerExchange' | 'providerGraph' | 'providerUserinfo';
type Facts = 'claimFacts' | 'policyIssuers' | 'untrustedIssuer';
type Revocations = 'addRevocations' | 'checkLogout' | 'revocationText';
type Sharing = 'KeyExchange' | 'exchangeKeys';
type OfTheLibrary = Calls | Facts | Revocations | Sharing | 'checkToken' | 'errorCodes' | 'keyChanges' | 'tokenEvidence' | 'trustCertificates' | 'version' | 'wireLayout';
type Handle = 'CompiledPolicy' | 'RecheckHandle' | 'RemoteAgentAuth';
export const functions: SameKeys<Omit<typeof binding, OfTheLibrary | Handle>, typeof native> = true;
type Functions = keyof typeof native;
export const exported: { [F in Functions]: SameArguments<(typeof binding)[F], (typeof native)[F]> } = {
  verifyRemoteToken: true,
  createRemoteAgentAuth: true,
  compilePolicy: true,
};
