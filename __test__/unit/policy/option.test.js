'use strict';

const ts = require('typescript');
const path = require('node:path');

const { RemoteTokenVerifier } = require('../../..');
const { ALWAYS, NOT_HERE, POLICY_OPTIONS } = require('../../../lib/policy/option');

/** The members of `PolicyOptions` as its types declare them. */
function declared() {
  const file = path.join(__dirname, '..', '..', '..', 'native.d.ts');
  const program = ts.createProgram([file], { skipLibCheck: true, types: [] });
  const checker = program.getTypeChecker();
  const exported = checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(file)));
  const type = checker.getDeclaredTypeOfSymbol(exported.find(({ name }) => name === 'PolicyOptions'));
  const parts = type.isUnion() ? type.types : [type];
  return new Set(parts.flatMap((part) => part.getProperties().map(({ name }) => name)));
}

describe('the options a policy may have', () => {
  const names = [...POLICY_OPTIONS, ...NOT_HERE, ALWAYS];

  test('are those the types declare', () => {
    expect([...declared()].sort()).toEqual([...names].sort());
  });

  test.each(names)('%s is one to Rust', (name) => {
    const verifier = new RemoteTokenVerifier();
    const compile = () =>
      verifier.compile({ issuer: 'https://issuer.test', audience: 'a', [name]: { never: 'a value' } });
    let message = '';
    try {
      compile();
    } catch (error) {
      message = error.message;
    }
    expect(message).not.toContain(`\`${name}\` is not an option`);
  });

  test('another is none', () => {
    expect(() => new RemoteTokenVerifier().compile({ issuer: 'https://issuer.test', audience: 'a', never: 1 })).toThrow(
      'is not an option',
    );
  });
});
