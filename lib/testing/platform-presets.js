'use strict';

// Tokens of clouds and of what runs in them. The ids in them are examples.

const NODE = 'system:serviceaccount:default:agent';
const REPOSITORY = 'octo-org/octo-repo';

/** @type {Record<string, import('./presets').Preset>} */
const PLATFORMS = {
  // Amazon Cognito: understanding the access token, the ID token.
  cognito: {
    host: 'https://cognito-idp.eu-central-1.amazonaws.com',
    path: '/eu-central-1_AbCdEfGhI',
    audience: '1example23456789abcdefghij',
    scope: 'agents/use',
    kinds: {
      user: {
        header: { typ: undefined },
        claims: {
          aud: undefined,
          client_id: '1example23456789abcdefghij',
          token_use: 'access',
          scope: 'openid agents/use',
          version: 2,
          auth_time: 1_699_999_990,
          username: 'ada',
          'cognito:groups': ['agents'],
        },
      },
      app: {
        header: { typ: undefined },
        claims: {
          aud: undefined,
          sub: '1example23456789abcdefghij',
          client_id: '1example23456789abcdefghij',
          token_use: 'access',
          scope: 'agents/use',
          version: 2,
          auth_time: 1_699_999_990,
        },
      },
      id: {
        header: { typ: undefined },
        claims: {
          token_use: 'id',
          auth_time: 1_699_999_990,
          'cognito:username': 'ada',
          email: 'ada@example.com',
          email_verified: true,
        },
      },
      'other-client': {
        header: { typ: undefined },
        claims: {
          aud: undefined,
          client_id: '9example87654321zyxwvutsrq',
          token_use: 'access',
          scope: 'openid agents/use',
          version: 2,
        },
      },
    },
  },
  // Google: OpenID Connect, server flow; service account identity tokens.
  google: {
    host: 'https://accounts.google.com',
    path: '',
    audience: 'https://chat.example.com/api',
    kinds: {
      app: {
        claims: {
          azp: '100200300400500600700',
          sub: '100200300400500600700',
          email: 'agent@example-project.iam.gserviceaccount.com',
          email_verified: true,
        },
      },
      user: {
        claims: {
          azp: '1234567890-example.apps.googleusercontent.com',
          sub: '110169484474386276334',
          hd: 'example.com',
          email: 'ada@example.com',
          email_verified: true,
          at_hash: 'HK6E_P6Dh8Y93mRNtsDB1Q',
        },
      },
    },
  },
  // Kubernetes: managing service accounts, schema of a bound token.
  kubernetes: {
    host: 'https://kubernetes.default.svc',
    path: '',
    audience: 'https://chat.example.com/api',
    kinds: {
      app: {
        header: { typ: undefined },
        claims: {
          aud: ['https://chat.example.com/api'],
          jti: 'aed34954-b33a-4142-b1ec-389d6bbb4936',
          sub: NODE,
          'kubernetes.io': {
            namespace: 'default',
            serviceaccount: { name: 'agent', uid: '66666666-6666-4666-8666-666666666666' },
            pod: { name: 'agent-7c9', uid: '77777777-7777-4777-8777-777777777777' },
          },
        },
      },
      'api-server': {
        header: { typ: undefined },
        claims: {
          aud: ['https://kubernetes.default.svc'],
          sub: NODE,
          'kubernetes.io': {
            namespace: 'default',
            serviceaccount: { name: 'agent', uid: '66666666-6666-4666-8666-666666666666' },
          },
        },
      },
      legacy: {
        header: { typ: undefined },
        claims: {
          aud: undefined,
          exp: undefined,
          iat: undefined,
          sub: NODE,
          'kubernetes.io/serviceaccount/namespace': 'default',
          'kubernetes.io/serviceaccount/service-account.name': 'agent',
        },
      },
    },
  },
  // GitHub: OpenID Connect reference of Actions.
  'github-actions': {
    host: 'https://token.actions.githubusercontent.com',
    path: '',
    audience: 'https://chat.example.com/api',
    kinds: {
      app: {
        header: { x5t: 'eBZ_cn3sXYAd0ch4THBKHIgOwOE' },
        claims: {
          jti: '1a2b3c4d-0000-4000-8000-000000000000',
          sub: `repo:${REPOSITORY}:ref:refs/heads/main`,
          ref: 'refs/heads/main',
          ref_type: 'branch',
          sha: 'a'.repeat(40),
          repository: REPOSITORY,
          repository_owner: 'octo-org',
          repository_visibility: 'private',
          run_id: '1234567890',
          run_attempt: '1',
          actor: 'octocat',
          workflow: 'deploy',
          event_name: 'push',
          job_workflow_ref: `${REPOSITORY}/.github/workflows/deploy.yml@refs/heads/main`,
          runner_environment: 'github-hosted',
        },
      },
      'default-audience': {
        claims: {
          aud: 'https://github.com/octo-org',
          sub: `repo:${REPOSITORY}:ref:refs/heads/main`,
          repository: REPOSITORY,
        },
      },
    },
  },
};

module.exports = { PLATFORMS };
