'use strict';

/** A logger that keeps its lines: `lines` is a list of [level, message, ...details]. */
function recordingLogger() {
  const lines = [];
  const at =
    (level) =>
    (...args) => {
      lines.push([level, ...args]);
    };
  return { lines, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/** LibreChat's own response double: `status` and `json`, nothing else. */
function bareResponse() {
  const res = { sent: [] };
  res.status = (code) => {
    res.code = code;
    return res;
  };
  res.json = (body) => {
    res.sent.push({ status: res.code, body });
    return res;
  };
  return res;
}

/** A response double with headers, as Express has. */
function fullResponse() {
  const res = bareResponse();
  res.headers = {};
  res.headersSent = false;
  res.setHeader = (name, value) => {
    res.headers[name] = value;
  };
  const json = res.json;
  res.json = (body) => {
    res.headersSent = true;
    return json(body);
  };
  return res;
}

const success = (over = {}) => ({
  ok: true,
  claims: '{}',
  header: '{}',
  subject: 'subject-1',
  email: 'ada@example.com',
  scopes: [],
  verdict: { of: 'token' },
  ...over,
});

const failure = (code, fault, message = 'refused by the fake verifier') => ({ ok: false, code, fault, message });

/**
 * A verifier whose answers are given by audience: `answers[audience]` is an outcome, an Error to throw, or a
 * promise of an outcome. An audience without an answer is refused.
 */
function fakeVerifier(answers = {}) {
  const calls = { compile: [], check: [], recheck: [] };
  const answer = (policy) => {
    const outcome = answers[policy.audience] ?? failure('ERR_TOKEN_AUDIENCE', 'token');
    if (outcome instanceof Error) throw outcome;
    return outcome;
  };
  return {
    calls,
    compile(options) {
      calls.compile.push(options);
      if (answers.compile !== undefined && options.audience !== 'probe') throw answers.compile;
      return { ...options };
    },
    check(token, policy) {
      calls.check.push({ token, audience: policy.audience });
      return answer(policy);
    },
    recheck(verdict, policy) {
      calls.recheck.push({ verdict, audience: policy.audience });
      return answer(policy);
    },
  };
}

/** A config in LibreChat's shape. */
const configOf = (auth) => ({ endpoints: { agents: { remoteApi: { auth } } } });

module.exports = { bareResponse, configOf, failure, fakeVerifier, fullResponse, recordingLogger, success };
