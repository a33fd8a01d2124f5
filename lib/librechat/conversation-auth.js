'use strict';

const { decide } = require('../middleware/decision');
const { createLog } = require('../middleware/log');
const { checkFunctions } = require('../middleware/options');
const { sendErrorResponse } = require('../middleware/responses');

/**
 * @typedef {import('../../index').ConversationManagementAuthDeps} Deps
 * @typedef {import('../../index').RemoteAgentAuthRequest} Request
 * @typedef {import('../../index').RemoteAgentAuthResponse} Response
 * @typedef {import('../../index').AppConfigOptions & { refresh?: boolean }} ConfigOptions
 * @typedef {(options?: ConfigOptions) => any} GetAppConfig
 * @typedef {(value?: any) => void} Next
 */

const FACTORY = 'createConversationManagementAuth';
const REALM = 'remote-agent-api';

/**
 * LibreChat's choice of who authenticates its conversation API, by `endpoints.agents.conversationApi.auth` of the base
 * configuration: `remote` or `management`, alone. Nothing falls back from one to the other, and anything else is 401.
 * @param {Deps} deps
 * @returns {import('../../index').RemoteAgentAuthHandler}
 */
function createConversationManagementAuth(deps) {
  checkFunctions(FACTORY, deps, ['getAppConfig', 'remoteAuth', 'managementAuth'], ['remoteAccess']);
  const log = createLog(deps.logger, '[conversationManagementAuth] ');

  return async function conversationManagementAuth(req, res, next) {
    const downstream = watched(next);
    try {
      const config = await deps.getAppConfig({ baseOnly: true });
      const mode = /** @type {any} */ (config).endpoints?.agents?.conversationApi?.auth;
      if (mode !== 'remote' && mode !== 'management') return refuse(res, 'machine-off');
      // One request is decided by one configuration, whoever asks for it.
      const getConfig = (/** @type {ConfigOptions | undefined} */ options) =>
        options?.baseOnly === true && !options.refresh ? Promise.resolve(config) : deps.getAppConfig(options);
      const chosen = mode === 'management' ? deps.managementAuth : deps.remoteAuth;
      const authenticate = await handlerOf(chosen, getConfig, deps);
      await authenticate(req, res, mode === 'management' ? downstream.next : checkGrant(req, res, downstream.next));
    } catch (error) {
      // What comes after is the application's to answer for.
      if (downstream.threw(error)) throw error;
      log.error('Failed to resolve authentication policy', error);
      if (!res.headersSent) refuse(res, 'unexpected');
    }
  };

  /**
   * The permission check, which is for people: a machine client has a binding instead.
   * @param {Request} req
   * @param {Response} res
   * @param {Next} next
   * @returns {Next}
   */
  function checkGrant(req, res, next) {
    return async (value) => {
      if (value !== undefined && value !== null) return next(value);
      if (deps.remoteAccess === undefined) return next();
      try {
        await deps.remoteAccess(req, res, next);
      } catch (error) {
        continueWith(error, next);
      }
    };
  }

  /** Nobody waits for the permission check: what it throws must not be lost. @param {unknown} error @param {Next} next */
  function continueWith(error, next) {
    try {
      next(error);
    } catch (failure) {
      log.error('an error thrown after the permission check', failure);
    }
  }

  /** @param {Response} res @param {'machine-off' | 'unexpected'} cause */
  function refuse(res, cause) {
    const decision = decide(cause);
    if (decision.action === 'reject') sendErrorResponse(res, decision.response, { realm: REALM });
  }
}

/**
 * LibreChat passes functions that make a middleware over the getter they are given; before it passed the middlewares themselves. One
 * that always answers takes no `next`.
 * @param {any} auth
 * @param {GetAppConfig} getConfig
 * @param {Deps} deps
 * @returns {((req: Request, res: Response, next: Next) => unknown) | Promise<any>} a promise where making it takes its time, or fails so
 */
function handlerOf(auth, getConfig, deps) {
  return auth.length >= 2 ? auth.bind(deps) : auth.call(deps, getConfig);
}

/** `next`, with what it threw distinguished from what others throw. @param {Next} next */
function watched(next) {
  /** @type {{ error: unknown } | undefined} */
  let thrown;
  return {
    /** @type {Next} */
    next: (...args) => {
      try {
        return next(...args);
      } catch (error) {
        thrown = { error };
        throw error;
      }
    },
    threw: (/** @type {unknown} */ error) => thrown !== undefined && thrown.error === error,
  };
}

module.exports = { createConversationManagementAuth };
