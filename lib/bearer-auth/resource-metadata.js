'use strict';

const { isUrlText } = require('../responses/challenge');
const { isAsynchronous } = require('../responses/asynchronous');
const { RemoteAuthError, wrongOption } = require('../verifier/errors');

/**
 * @typedef {import('../../index').ProtectedResource} ProtectedResource
 * @typedef {{ url: string, path: string, text: string }} Document
 */

const WELL_KNOWN = '/.well-known/oauth-protected-resource';
/** Seconds for which a client may keep the document. */
const MAX_AGE = 300;
const LOOPBACK = /^(localhost|127\.0\.0\.1|\[::1\]|.*\.localhost)$/;
/** Documents of a function remembered, one for each resource; beyond that they are made anew. */
const MOST = 1000;

/**
 * Serves the metadata of protected resources (RFC 9728 3) at their well-known paths, to anybody; what else comes goes on to `next`, or gets
 * 404 where there is none. `url` and `urlFor(req)` give the URL of the document, for the option `resourceMetadata`.
 * @param {ProtectedResource | ProtectedResource[] | ((req: any) => ProtectedResource | null | undefined)} resources
 * @returns {import('../../index').ResourceMetadataHandler}
 */
function protectedResourceMetadata(resources) {
  const isFunction = typeof resources === 'function';
  const fixed = isFunction ? [] : [resources].flat().map(documentOf);
  if (!isFunction && fixed.length === 0)
    throw wrongOption('protectedResourceMetadata: at least one resource is required');
  const resolve = isFunction ? remembering(resources) : undefined;

  /** @param {any} req @returns {Document | undefined} the document a request asks for */
  const askedFor = (req) => {
    const target = targetOf(req);
    if (!target.startsWith(WELL_KNOWN)) return undefined;
    const found = resolve === undefined ? fixed : [resolve(req)];
    // A query is part of an identifier that has one, and of no other.
    return found.find((document) => document?.path === (document?.path.includes('?') ? target : pathOf(req)));
  };

  /** @param {any} req @returns {string | undefined} the URL of the document of the resource that a request is for */
  const urlFor = (req) => {
    if (resolve !== undefined) return resolve(req)?.url;
    const path = pathOf(req);
    const within = fixed.filter((document) =>
      isWithin(path, document.path.slice(WELL_KNOWN.length).split('?', 1)[0] ?? ''),
    );
    // The most specific one.
    return within.sort((a, b) => b.path.length - a.path.length)[0]?.url;
  };

  /** @param {any} req @param {any} res @param {(value?: any) => void} [next] */
  const handler = (req, res, next) => {
    const isRead = req.method === 'GET' || req.method === 'HEAD';
    let document;
    try {
      document = isRead ? askedFor(req) : undefined;
    } catch (cause) {
      // The function's own failure, or a resource made of a `Host` that a stranger wrote: in node:http it would end the process.
      if (next !== undefined) return next(failed(cause));
      res.statusCode = 500;
      return res.end();
    }
    if (document !== undefined) return sendDocument(res, document);
    if (next !== undefined) return next();
    res.statusCode = 404;
    return res.end();
  };
  return Object.assign(handler, { url: fixed.length === 1 ? fixed[0]?.url : undefined, urlFor, documentFor: askedFor });
}

/** @param {unknown} cause @returns {Error} that says nothing of its cause to a client */
function failed(cause) {
  const error = new RemoteAuthError({ code: 'ERR_INTERNAL', fault: 'internal', message: 'Internal Server Error' });
  return Object.defineProperty(error, 'cause', { value: cause, configurable: true });
}

/** @param {any} res @param {Document} document */
function sendDocument(res, { text }) {
  res.statusCode = 200;
  res.setHeader('Content-Type', 'application/json; charset=utf-8');
  res.setHeader('Cache-Control', `public, max-age=${MAX_AGE}`);
  // Public, and read by clients in browsers before they have any token.
  res.setHeader('Access-Control-Allow-Origin', '*');
  res.end(text);
}

/** @param {(req: any) => ProtectedResource | null | undefined} resolve @returns {(req: any) => Document | undefined} */
function remembering(resolve) {
  /** @type {Map<string, Document>} */
  const known = new Map();
  return (req) => {
    const resource = resolve(req);
    if (isAsynchronous(resource))
      throw wrongOption('protectedResourceMetadata: the function must give its value at once');
    if (resource === undefined || resource === null) return undefined;
    const key = JSON.stringify(resource);
    const document = known.get(key) ?? documentOf(resource);
    if (known.size < MOST) known.set(key, document);
    return document;
  };
}

/** @param {ProtectedResource} resource @returns {Document} */
function documentOf(resource) {
  const { resource: identifier, ...more } = Object(resource);
  const url = resourceUrl(identifier);
  checkList(more, 'authorization_servers', isUrlText);
  checkList(more, 'scopes_supported', (value) => typeof value === 'string' && value !== '');
  // RFC 9728 3.1: between host and path; a slash that ends the host alone is left out.
  const rest = `${url.pathname === '/' ? '' : url.pathname}${url.search}`;
  const path = `${WELL_KNOWN}${rest}`;
  // RFC 9728 3.3: the client compares `resource` with the identifier it began with, to the letter.
  const document = { resource: identifier, bearer_methods_supported: ['header'], ...more };
  return { url: `${url.origin}${path}`, path, text: JSON.stringify(document) };
}

/** RFC 9728 1.2: https, without a fragment; http to this machine, for trying things. @param {unknown} identifier @returns {URL} */
function resourceUrl(identifier) {
  const url = isUrlText(identifier) && URL.canParse(identifier) ? new URL(identifier) : undefined;
  const isSecure = url?.protocol === 'https:' || (url?.protocol === 'http:' && LOOPBACK.test(url.hostname));
  if (url === undefined || !isSecure || url.hash !== '' || identifier === undefined || url.username !== '') {
    throw wrongOption('protectedResourceMetadata: `resource` must be an https URL without a fragment');
  }
  return url;
}

/** @param {any} members @param {string} name @param {(value: unknown) => boolean} isRight */
function checkList(members, name, isRight) {
  const list = members[name];
  if (list === undefined || (Array.isArray(list) && list.length > 0 && list.every(isRight))) return;
  throw wrongOption(`protectedResourceMetadata: \`${name}\` must be a list of texts, not empty`);
}

/** @param {any} req @returns {string} path and query as the client sent them; of the Fetch API, without what stands before the path */
function targetOf(req) {
  // A context of Hono has the request inside.
  const url = `${req?.originalUrl ?? req?.url ?? req?.req?.url ?? ''}`;
  if (!/^https?:\/\//i.test(url) || !URL.canParse(url)) return url;
  const { pathname, search } = new URL(url);
  return `${pathname}${search}`;
}

/** @param {any} req @returns {string} */
function pathOf(req) {
  return targetOf(req).split('?', 1)[0] ?? '';
}

/** @param {string} path @param {string} prefix */
function isWithin(path, prefix) {
  const bare = prefix.endsWith('/') ? prefix.slice(0, -1) : prefix;
  return path === bare || path.startsWith(`${bare}/`);
}

module.exports = { protectedResourceMetadata };
