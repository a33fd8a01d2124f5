// LibreChat's normal form of an issuer. `normal` null: nothing is left, so it is no issuer.
const A = 'https://a';
const SUFFIX = '/.well-known/openid-configuration';

export default [
  ...['', ' ', ' \t\n', '/', '///', ' / ', '\ufeff\u00a0', SUFFIX, `${SUFFIX}/`].map((configured) => [configured, null]),
  [A, A],
  [`${A}/`, A],
  [`${A}//`, A],
  [`${A}////`, A],
  [` ${A}/ `, A],
  [`\ufeff${A}/\u00a0\u3000`, A],
  [`\u0085${A}`, `\u0085${A}`],
  [`${A}\u200b`, `${A}\u200b`],
  [`${A} /`, `${A} `],
  [A + SUFFIX, A],
  [`${A}${SUFFIX}/`, A],
  [`${A}${SUFFIX}///`, A],
  [`${A}/${SUFFIX}`, `${A}/`],
  [`${A}//${SUFFIX}`, `${A}//`],
  [`${A}/.WELL-KNOWN/openid-configuration`, `${A}/.WELL-KNOWN/openid-configuration`],
  [`${A}/.well-known/OpenID-Configuration`, `${A}/.well-known/OpenID-Configuration`],
  [`${A}${SUFFIX}?x`, `${A}${SUFFIX}?x`],
  [`${A}/.well-known/oauth-authorization-server`, `${A}/.well-known/oauth-authorization-server`],
  [`${A}/?x=/`, `${A}/?x=`],
  [`${A}/?x=1`, `${A}/?x=1`],
  [`${A}/#/`, `${A}/#`],
  [A + SUFFIX + SUFFIX, A + SUFFIX],
  [`${A}${SUFFIX}/${SUFFIX}`, `${A}${SUFFIX}/`],
  ['HTTPS://A/', 'HTTPS://A'],
  [`${A}:443/`, `${A}:443`],
  [`${A}/%2F/`, `${A}/%2F`],
  [`${A}\\`, `${A}\\`],
  ['https://bücher/é/', 'https://bücher/é'],
].map(([configured, normal]) => ({
  configured,
  normal,
  accepted: normal === null ? [] : configured === normal ? [configured] : [configured, normal],
}));
