'use strict';

const { CHECK_OF_CODE, checkOf } = require('../../../lib/events/checks');
const { decisionEvent } = require('../../../lib/events/decision-event');
const { printable, printableUrl } = require('../../../lib/events/printable');
const { newReference } = require('../../../lib/events/reference');
const { TABLE } = require('../../../lib/middleware/decision');
const { readFileSync } = require('node:fs');
const { UNVERIFIED, userNameProblem } = require('../../../lib/accounts/email-address');
const { CONFLICT_STEPS, NEXT_STEPS, nextStep } = require('../../../lib/middleware/next-steps');
const { codes } = require('../../../lib/verifier/codes');

test('a reference has ten characters that cannot be misread, and no two are the same', () => {
  const many = Array.from({ length: 20_000 }, newReference);
  expect(many.filter((reference) => !/^[0-9A-HJKMNP-TV-Z]{10}$/.test(reference))).toEqual([]);
  expect(new Set(many).size).toBe(many.length);
  // Each place takes each of the 32 letters.
  for (let place = 0; place < 10; place++) expect(new Set(many.map((reference) => reference[place])).size).toBe(32);
});

// As natively: src/mismatch.rs has the same table.
test.each([
  ['https://user:pass@id.example/realms/a', 'https://id.example/realms/a'],
  ['https://a@b:c@id.example?x=@', 'https://id.example?x=@'],
  ['//user@id.example#@', '//id.example#@'],
  ['https://id.example/@team', 'https://id.example/@team'],
  ['urn:a@b', 'urn:a@b'],
  ['https:user:pass@id.example/a', 'https:id.example/a'],
  ['HTTPS:\\\\user:pass@id.example\\a@b', 'HTTPS:\\\\id.example\\a@b'],
  ['https:///user:pass@id.example', 'https:///id.example'],
  [' http:/user:pass@id.example', ' http:/id.example'],
  ['https:', 'https:'],
])('of the URL %s no name and no password is shown', (url, shown) => {
  expect(printableUrl(url)).toBe(shown);
});

test('a text is one line of at most 200 characters', () => {
  expect(printable('as it is: ü')).toBe('as it is: ü');
  expect(printable('a\r\n\u001b[31m\u202e\u2028b\ud800')).toBe('a\ufffd\ufffd\ufffd[31m\ufffd\ufffdb\ufffd');
  expect(printable('x'.repeat(200))).toHaveLength(200);
  expect(printable('x'.repeat(5000))).toBe(`${'x'.repeat(199)}…`);
  // Cut between the halves of one character.
  expect(printable(`${'x'.repeat(198)}\u{1f600}\u{1f600}`)).toBe(`${'x'.repeat(198)}\ufffd…`);
});

test('an event is frozen in depth, bounded, and has no member for what is not known', () => {
  const kids = Array.from({ length: 20 }, (_, place) => `kid\n${place}`);
  const event = decisionEvent({ reference: 'R', time: 1, code: undefined, got: 'g'.repeat(300), providerKids: kids });
  expect(Object.keys(event)).toEqual(['reference', 'time', 'got', 'providerKids']);
  expect(event.got).toHaveLength(200);
  expect(event.providerKids).toEqual(kids.slice(0, 8).map((kid) => kid.replace('\n', '\ufffd')));
  expect(Object.isFrozen(event) && Object.isFrozen(event.providerKids)).toBe(true);
});

test('each code has a check, and each cause that comes without a code has a check and a next step', () => {
  expect(Object.keys(codes)).toEqual(expect.arrayContaining(Object.keys(CHECK_OF_CODE)));
  expect(Object.keys(codes).filter((code) => !/^[a-z-]{3,30}$/.test(checkOf(code)))).toEqual([]);
  const withCode = ['token-refused', 'provider-unreachable', 'overloaded', 'scope-missing', 'role-missing'];
  withCode.push(
    'subject-missing',
    ...Object.keys(TABLE).filter((cause) => /^user-(token|provider|scope|role)/.test(cause)),
  );
  expect(
    Object.keys(TABLE)
      .filter((cause) => !(cause in NEXT_STEPS))
      .sort(),
  ).toEqual(withCode.sort());
  for (const [check, action] of Object.values(NEXT_STEPS)) {
    expect(check).toMatch(/^[a-z-]+$/);
    expect(action).toMatch(/^[A-Z].*\.$/);
  }
});

test('each reason for which an account is not this caller’s has a next step of its own', () => {
  const source = readFileSync(require.resolve('../../../lib/middleware/user'), 'utf8');
  const reasons = [...source.matchAll(/conflict\(\s*['`]([^'`$]+)/g)].map(([, reason]) => reason);
  reasons.push(UNVERIFIED, userNameProblem({ emailSource: 'upn' }));
  expect(reasons).toHaveLength(CONFLICT_STEPS.length);
  const actions = reasons.map((reason) => nextStep('user-conflict', reason)[1]);
  expect(new Set(actions).size).toBe(reasons.length);
  expect(actions).not.toContain(NEXT_STEPS['user-conflict'][1]);
  for (const action of actions) expect(action).toMatch(/^[A-Z].*\.$/);
});
