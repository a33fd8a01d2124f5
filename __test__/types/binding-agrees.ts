// Compiled, never run, by types.test.js: native.d.ts, written by hand, must say what the generated binding.d.ts
// says. Only the opaque classes, which nobody constructs, and the closed set of codes are narrower there.

import type * as binding from '../../binding';
import type * as native from '../../native';

/** An error names the members that only one side has. */
type SameKeys<A, B> = [Exclude<keyof A, keyof B> | Exclude<keyof B, keyof A>] extends [never]
  ? true
  : Exclude<keyof A, keyof B> | Exclude<keyof B, keyof A>;
type Same<A, B> = [A, B] extends [B, A] ? SameKeys<A, B> : false;

export const success: Same<Omit<binding.Success, 'verdict'>, Omit<native.Success, 'verdict'>> = true;
export const failure: Same<Omit<binding.Failure, 'code'>, Omit<native.Failure, 'code'>> = true;
export const verifier: SameKeys<binding.RemoteAgentAuth, native.RemoteAgentAuth> = true;
type OfTheLibrary = 'errorCodes' | 'judge' | 'keyChanges' | 'trustCertificates' | 'version';
type Handle = 'CompiledPolicy' | 'RemoteAgentAuth' | 'Verdict';
export const functions: SameKeys<Omit<typeof binding, OfTheLibrary | Handle>, typeof native> = true;
