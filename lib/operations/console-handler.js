'use strict';

// What the console answers to a request. Requires neither Express nor anything else: what it is given and what it answers are Node's request
// and response.

const { randomBytes } = require('node:crypto');
const { explanationsOf, policiesOf } = require('./console-explain');
const { page } = require('./console-page');
const { processRecord } = require('./console-record');
const { formTokenOf, isForeign, isSame, readForm, refuseHost } = require('./console-request');
const { HEADERS } = require('./console-style');
const { tokenOf } = require('./doctor-token');
const { RemoteTokenVerifier } = require('../verifier');

/**
 * @typedef {import('../../console').ConsoleOptions} Options
 * @typedef {import('../../console').ConsoleRequest} Request
 * @typedef {import('../../console').ConsoleResponse} Response
 * @typedef {import('./console-record').DecisionRecord} DecisionRecord
 * @typedef {import('./console-page').View} View
 *
 * `provider`: what the doctor says of it, where the page is to ask it. `record`, `now`: for tests.
 * @typedef {{ provider?: () => Promise<import('./doctor').Line[]>, record?: DecisionRecord, now?: () => number }} Inner
 *
 * What all requests of one console have in common.
 * @typedef {{ options: Options, hosts?: string[], formToken: string, record: DecisionRecord, now: () => number,
 *   provider: Inner['provider'], explaining: number }} Context
 */

/** Tokens explained at once: each costs some twenty checks for each policy. */
const MOST_EXPLAINED_AT_ONCE = 4;

/**
 * @param {Options} options checked
 * @param {Inner} [inner]
 * @returns {import('../../console').ConsoleHandler}
 */
function createHandler(options, { provider, record = processRecord(), now = Date.now } = {}) {
  /** @type {Context} */
  const context = {
    options,
    hosts: options.hosts?.map((host) => host.toLowerCase()),
    formToken: formTokenOf(options.secret ?? randomBytes(32)),
    record,
    now,
    provider,
    explaining: 0,
  };
  return function remoteAgentAuthConsole(req, res, next) {
    // Mounted by `use`, a router is asked for everything below its path.
    if (next !== undefined && req.route === undefined && !/^\/?(\?|$)/.test(req.url ?? '')) return next();
    return answer(context, req, res).catch((error) => {
      if (next !== undefined && !res.headersSent) return next(error);
      // What was thrown may hold anything.
      return send(req, res, 500, 'text/plain', 'The console could not answer: a function it was given has thrown.');
    });
  };
}

/** @param {Context} context @param {Request} req @param {Response} res */
async function answer(context, req, res) {
  const refused = refuseHost(req, context.hosts);
  if (refused !== undefined) return send(req, res, refused.status, 'text/plain', refused.text);
  const authorized = await context.options.authorize(req, res);
  if (res.headersSent || res.writableEnded) return undefined;
  // Nothing but true: an object of a user, or the text "false", is true to many.
  if (authorized !== true) return send(req, res, 403, 'text/plain', 'Not permitted.');
  if (req.method === 'GET' || req.method === 'HEAD') return show(context, req, res, 200, {});
  if (req.method === 'POST') return explain(context, req, res);
  res.setHeader('Allow', 'GET, HEAD, POST');
  return send(req, res, 405, 'text/plain', 'GET or POST.');
}

/** @param {Context} context @param {Request} req @param {Response} res */
async function explain(context, req, res) {
  const foreign = {
    status: 403,
    text: 'The form does not come from this page: load the page again, and send it from there.',
  };
  if (isForeign(req, context.hosts ?? [])) return send(req, res, foreign.status, 'text/plain', foreign.text);
  const { fields, refusal } = await readForm(req);
  if (refusal !== undefined) {
    // The rest of what is sent is not read.
    res.setHeader('Connection', 'close');
    return send(req, res, refusal.status, 'text/plain', refusal.text);
  }
  if (!isSame(fields.form, context.formToken)) return send(req, res, foreign.status, 'text/plain', foreign.text);
  const token = typeof fields.token === 'string' ? tokenOf(fields.token) : '';
  if (token === '') return show(context, req, res, 400, { notice: 'There was no token in the form.' });
  if (context.explaining >= MOST_EXPLAINED_AT_ONCE)
    return show(context, req, res, 503, {
      notice: 'Other tokens are being explained; send this one again in a moment.',
    });
  context.explaining += 1;
  try {
    const policies = await policiesOf(context.options);
    const explanations = await explanationsOf(token, policies, fields.policy, context.now() / 1000);
    return await show(context, req, res, 200, { explanations, policies });
  } finally {
    context.explaining -= 1;
  }
}

/**
 * @param {Context} context
 * @param {Request} req
 * @param {Response} res
 * @param {number} status
 * @param {Partial<View>} more
 */
async function show({ options, record, now, provider, formToken }, req, res, status, more) {
  const moment = now();
  const [policies, lines] = await Promise.all([more.policies ?? policiesOf(options), provider?.()]);
  const view = {
    now: moment,
    hour: record.hour(moment),
    refusals: record.refusals(),
    shadowDifferences: record.shadowDifferences(),
    sources: /** @type {any[]} */ (new RemoteTokenVerifier({ verdictCache: false }).stats().sources),
    provider: lines,
    formToken,
    ...more,
    policies,
  };
  return send(req, res, status, 'text/html', page(view));
}

/** @param {Request} req @param {Response} res @param {number} status @param {string} type @param {string} body */
function send(req, res, status, type, body) {
  if (res.headersSent) return;
  for (const [name, value] of Object.entries(HEADERS)) res.setHeader(name, value);
  res.setHeader('Content-Type', `${type}; charset=utf-8`);
  res.statusCode = status;
  res.end(req.method === 'HEAD' ? undefined : body);
}

module.exports = { createHandler };
