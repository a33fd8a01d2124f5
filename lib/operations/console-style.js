'use strict';

// The style sheet of the console: one text, whose digest the page's policy allows, and nothing beside it (CSP3 8.1). Text has a contrast of
// 4.5:1 and more on both backgrounds, bars of 3:1 (WCAG 2.2, 1.4.3 and 1.4.11).

const { createHash } = require('node:crypto');

const STYLE = `
:root{color-scheme:light dark;--ground:#fff;--card:#f6f7f9;--text:#1b1f24;--soft:#57606a;--line:#d0d7de;--link:#0550ae;--good:#1a7f37;--bad:#b42318;--warn:#8a5a00;
--accepted:#2f7d4f;--c0:#0b6fb8;--c1:#c2410c;--c2:#7c3aed;--c3:#0f766e;--c4:#b5179e;--c5:#8a6d00;--c6:#6b7280}
@media (prefers-color-scheme:dark){:root{--ground:#0f1318;--card:#181e26;--text:#e6edf3;--soft:#9aa7b4;--line:#313a45;--link:#79b8ff;--good:#4ac26b;--bad:#ff8a80;--warn:#e3b341;
--accepted:#4ac26b;--c0:#58a6ff;--c1:#fb923c;--c2:#b79bff;--c3:#4fd1c5;--c4:#f27ad4;--c5:#e3c341;--c6:#8b949e}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--text);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
header,main{max-width:1180px;margin:0 auto;padding:0 1rem}
header{padding-top:1rem}
h1{font-size:1.4rem;margin:0}h2{font-size:1.15rem;margin:0 0 .5rem}h3{font-size:.95rem;margin:.75rem 0 0}
section{margin:1rem 0;padding:1rem;background:var(--card);border:1px solid var(--line);border-radius:8px}
nav{margin:.5rem 0}nav a{margin-right:1rem}
a{color:var(--link)}
:focus-visible{outline:3px solid var(--link);outline-offset:2px}
.note{color:var(--soft);margin:.1rem 0 .4rem}
figure{margin:0}figcaption{color:var(--soft)}
svg[role=img]{display:block;width:100%;height:110px;border-bottom:1px solid var(--line)}
.axis{display:flex;justify-content:space-between;color:var(--soft);font-size:.8rem;margin:.2rem 0 0}
rect.accepted{fill:var(--accepted)}.c0{fill:var(--c0)}.c1{fill:var(--c1)}.c2{fill:var(--c2)}.c3{fill:var(--c3)}.c4{fill:var(--c4)}.c5{fill:var(--c5)}.c6{fill:var(--c6)}
.swatch{width:.8rem;height:.8rem;vertical-align:-1px;margin-right:.4rem}
.scroll{overflow-x:auto;max-width:100%}
table{border-collapse:collapse;width:100%;font-size:.9rem}
caption{text-align:left;color:var(--soft);padding-bottom:.3rem}
th,td{text-align:left;vertical-align:top;padding:.35rem .6rem .35rem 0;border-top:1px solid var(--line)}
th{font-weight:600}td{overflow-wrap:anywhere}td code{overflow-wrap:normal}td dd code,td .note code{overflow-wrap:anywhere}
td time{white-space:nowrap}td.wide{min-width:20rem}td.less{min-width:11rem}td .note{margin:.2rem 0 0}
td.number,th.number{text-align:right;white-space:nowrap}
code,textarea{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:.9em}
dl{margin:.2rem 0 0;display:grid;grid-template-columns:auto 1fr;gap:0 .6rem}dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}dt{white-space:nowrap}
.ok{color:var(--good)}.failed{color:var(--bad)}.warning{color:var(--warn)}.skipped{color:var(--soft)}.status{font-weight:600;white-space:nowrap}
label{display:block;font-weight:600;margin:.5rem 0 .2rem}
textarea,select,button{width:100%;font-size:1rem;padding:.5rem;color:var(--text);background:var(--ground);border:1px solid var(--soft);border-radius:6px}
textarea{min-height:7rem;resize:vertical}
button{width:auto;margin-top:.6rem;padding:.5rem 1.2rem;font-weight:600;cursor:pointer}
@media (max-width:640px){thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}table.cards,table.cards tbody,table.cards caption{display:block}td.wide,td.less{min-width:0}table.cards td.number{text-align:left}table.cards tr{display:block;border-top:1px solid var(--line);padding:.4rem 0}
table.cards td,table.cards th[scope=row]{display:block;border:0;padding:.1rem 0}table.cards td[data-label]:not(:empty)::before{content:attr(data-label) ": ";color:var(--soft)}}
@media (forced-colors:active){rect{forced-color-adjust:none}}
`;

/** CSP3 2.3.1: the source that allows this text alone. */
const SOURCE = `'sha256-${createHash('sha256').update(STYLE, 'utf8').digest('base64')}'`;

/** Nothing is loaded and no script runs, whatever the page holds; an empty image keeps browsers from asking the host for an icon. */
const POLICY = [
  "default-src 'none'",
  `style-src ${SOURCE}`,
  'img-src data:',
  "form-action 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
].join('; ');

/** What every answer of the console has. */
const HEADERS = Object.freeze({
  'Cache-Control': 'no-store',
  'Content-Security-Policy': POLICY,
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  // Not `no-referrer`: the form's Origin would be `null` (Fetch 3.2).
  'Referrer-Policy': 'same-origin',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'X-Robots-Tag': 'noindex',
});

module.exports = { HEADERS, STYLE };
