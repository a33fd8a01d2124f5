'use strict';

// Tokens of providers whose tenants are organizations. The ids in them are examples.

const TENANT = '11111111-1111-4111-8111-111111111111';
const API = '22222222-2222-4222-8222-222222222222';
const CLIENT = '33333333-3333-4333-8333-333333333333';

/** @type {Record<string, import('./presets').Preset>} */
const DIRECTORIES = {
  // Microsoft: access token claims reference, ID token claims reference.
  entra: {
    host: 'https://login.microsoftonline.com',
    path: `/${TENANT}/v2.0`,
    audience: API,
    scope: 'agents.use',
    kinds: {
      user: {
        claims: {
          ver: '2.0',
          tid: TENANT,
          oid: '44444444-4444-4444-8444-444444444444',
          azp: CLIENT,
          azpacr: '0',
          scp: 'agents.use',
          name: 'Ada Lovelace',
          preferred_username: 'ada@example.com',
        },
      },
      app: {
        claims: {
          ver: '2.0',
          tid: TENANT,
          oid: '55555555-5555-4555-8555-555555555555',
          azp: CLIENT,
          azpacr: '1',
          idtyp: 'app',
          roles: ['Agents.Use'],
        },
      },
      v1: {
        host: 'https://sts.windows.net',
        path: `/${TENANT}/`,
        claims: {
          aud: `api://${API}`,
          ver: '1.0',
          tid: TENANT,
          oid: '44444444-4444-4444-8444-444444444444',
          appid: CLIENT,
          appidacr: '0',
          scp: 'agents.use',
          unique_name: 'ada@example.com',
          upn: 'ada@example.com',
        },
      },
      id: {
        claims: {
          ver: '2.0',
          tid: TENANT,
          oid: '44444444-4444-4444-8444-444444444444',
          nonce: 'bm9uY2U',
          name: 'Ada Lovelace',
          preferred_username: 'ada@example.com',
        },
      },
      graph: {
        host: 'https://sts.windows.net',
        path: `/${TENANT}/`,
        header: { nonce: 'b3VyIG93biBub25jZQ' },
        claims: {
          aud: '00000003-0000-0000-c000-000000000000',
          ver: '1.0',
          tid: TENANT,
          appid: CLIENT,
          scp: 'openid profile User.Read email',
        },
      },
    },
  },
  // Keycloak: server administration guide, protocol mappers.
  keycloak: {
    host: 'https://keycloak.example.com',
    path: '/realms/chat',
    audience: 'agents-api',
    scope: 'agents:use',
    kinds: {
      user: {
        claims: {
          aud: ['agents-api', 'account'],
          typ: 'Bearer',
          azp: 'agents-cli',
          sid: '0d8f3a52-6c1b-4a5e-a3a9-6a0f0f3f2b77',
          acr: '1',
          realm_access: { roles: ['agents'] },
          resource_access: { account: { roles: ['view-profile'] } },
          scope: 'openid agents:use profile email',
          email_verified: true,
          preferred_username: 'ada',
          email: 'ada@example.com',
        },
      },
      app: {
        claims: {
          aud: ['agents-api', 'account'],
          typ: 'Bearer',
          azp: 'agents-service',
          acr: '1',
          realm_access: { roles: ['agents'] },
          scope: 'agents:use',
          client_id: 'agents-service',
          preferred_username: 'service-account-agents-service',
        },
      },
      id: {
        claims: {
          aud: 'agents-cli',
          typ: 'ID',
          azp: 'agents-cli',
          at_hash: '9bVTexampleQk4',
          auth_time: 1_700_000_000,
          preferred_username: 'ada',
        },
      },
      refresh: { claims: { aud: 'issuer', typ: 'Refresh', azp: 'agents-cli', scope: 'openid agents:use' } },
      'no-mapper': { claims: { aud: 'account', typ: 'Bearer', azp: 'agents-cli', scope: 'openid agents:use' } },
    },
  },
  // Auth0: access token profiles (its own, and RFC 9068).
  auth0: {
    host: 'https://example.eu.auth0.com',
    path: '/',
    audience: 'https://chat.example.com/api',
    scope: 'agents:use',
    kinds: {
      user: {
        claims: {
          aud: ['https://chat.example.com/api', 'https://example.eu.auth0.com/userinfo'],
          sub: 'auth0|65f1c2d3e4f5a6b7c8d9e0f1',
          azp: 'ClientIdOfTheDeviceApp0123456789',
          scope: 'openid agents:use',
          permissions: ['agents:use'],
        },
      },
      rfc9068: {
        header: { typ: 'at+jwt' },
        claims: {
          sub: 'auth0|65f1c2d3e4f5a6b7c8d9e0f1',
          client_id: 'ClientIdOfTheDeviceApp0123456789',
          jti: 'rXv0example',
          scope: 'agents:use',
          permissions: ['agents:use'],
        },
      },
      app: {
        claims: {
          sub: 'MachineClientId0123456789@clients',
          azp: 'MachineClientId0123456789',
          gty: 'client-credentials',
          scope: 'agents:use',
          permissions: ['agents:use'],
        },
      },
      id: {
        claims: {
          aud: 'ClientIdOfTheDeviceApp0123456789',
          sub: 'auth0|65f1c2d3e4f5a6b7c8d9e0f1',
          nonce: 'bm9uY2U',
          sid: 'sid-example',
        },
      },
    },
  },
  // Okta: access token payload of a custom authorization server.
  okta: {
    host: 'https://example.okta.com',
    path: '/oauth2/default',
    audience: 'api://default',
    scope: 'agents.use',
    kinds: {
      user: {
        header: { typ: undefined },
        claims: {
          ver: 1,
          jti: 'AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE',
          cid: '0oaexample3Bvq8XJ0h7',
          uid: '00uexample1aXb2Cd3E4',
          scp: ['agents.use', 'openid'],
          auth_time: 1_699_999_990,
          sub: 'ada@example.com',
          groups: ['agents'],
        },
      },
      app: {
        header: { typ: undefined },
        claims: {
          ver: 1,
          jti: 'AT.app',
          cid: '0oaservice3Bvq8XJ0h7',
          scp: ['agents.use'],
          sub: '0oaservice3Bvq8XJ0h7',
        },
      },
      id: {
        header: { typ: undefined },
        claims: {
          ver: 1,
          aud: '0oaexample3Bvq8XJ0h7',
          at_hash: '9bVTexampleQk4',
          amr: ['pwd'],
          auth_time: 1_699_999_990,
          idp: '00oexample',
          nonce: 'bm9uY2U',
        },
      },
      'org-server': {
        path: '',
        header: { typ: undefined },
        claims: { ver: 1, aud: 'https://example.okta.com', cid: '0oaexample3Bvq8XJ0h7', scp: ['openid'] },
      },
    },
  },
  // ZITADEL: claims; an access token has no auth_time and no amr. Its roles are the members of an object.
  zitadel: {
    host: 'https://example.zitadel.cloud',
    path: '',
    audience: '284720471029384756',
    kinds: {
      user: {
        claims: {
          aud: ['284720471029384757', '284720471029384756'],
          sub: '163840776835432705',
          client_id: '284720471029384757',
          jti: 'V2_284720471-at_1',
          'urn:zitadel:iam:org:project:roles': { agents: { 271828182845904523: 'example.zitadel.cloud' } },
        },
      },
      app: {
        claims: {
          aud: ['284720471029384756'],
          sub: '284720471029384758',
          client_id: 'agents-service',
          jti: 'V2_284720472-at_1',
        },
      },
      id: {
        claims: {
          aud: ['284720471029384757', '284720471029384756'],
          sub: '163840776835432705',
          azp: '284720471029384757',
          client_id: '284720471029384757',
          amr: ['pwd'],
          auth_time: 1_699_999_990,
          at_hash: 'HK6E_P6Dh8Y93mRNtsDB1Q',
        },
      },
    },
  },
  // authentik: its access tokens are its ID tokens with azp and uid; a nonce stays in them.
  authentik: {
    host: 'https://authentik.example.com',
    path: '/application/o/agents/',
    audience: 'AuthentikClientId0123456789',
    kinds: {
      user: {
        claims: {
          azp: 'AuthentikClientId0123456789',
          uid: '4xK1exampleUid',
          auth_time: 1_699_999_990,
          acr: 'goauthentik.io/providers/oauth2/default',
          amr: ['pwd'],
          nonce: 'bm9uY2U',
          sid: 'c2lk',
          groups: ['agents'],
          email: 'ada@example.com',
          email_verified: true,
          preferred_username: 'ada',
        },
      },
      app: {
        claims: {
          azp: 'AuthentikClientId0123456789',
          uid: '5yL2exampleUid',
          auth_time: 1_699_999_990,
          acr: 'goauthentik.io/providers/oauth2/default',
          groups: [],
        },
      },
    },
  },
};

module.exports = { DIRECTORIES };
