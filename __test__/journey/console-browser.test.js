'use strict';

// The console in a real browser: what it shows, what it asks for, what its policy refuses, and how it looks. Row S52.

const http = require('node:http');
const { createHandler } = require('../../lib/operations/console-handler');
const { DecisionRecord } = require('../../lib/operations/console-record');
const { Browser, missing } = require('../support/chromium');
const { configOf } = require('../support/fakes');
const { HOSTILE_TEXTS } = require('../support/hostile-texts');
const { Issuer } = require('../support/issuer');
const { describeWith } = require('../support/needs');
const { score } = require('../support/score');

const FORMS = [
  { width: 1280, scheme: 'light' },
  { width: 1280, scheme: 'dark' },
  { width: 390, scheme: 'light' },
  { width: 390, scheme: 'dark' },
];

describeWith('chromium', missing, { required: true })('the console in Chromium', () => {
  let issuer;
  let server;
  let url;
  let browser;
  let record;

  beforeAll(async () => {
    issuer = await new Issuer().start();
    browser = await new Browser().start();
    record = new DecisionRecord();
    for (let minute = 0; minute < 60; minute += 1) {
      record.add(ofTheHour(undefined, 59 - minute));
      record.add(ofTheHour(minute % 2 ? 'ERR_TOKEN_AUDIENCE' : 'ERR_TOKEN_EXPIRED', 59 - minute));
    }
    const config = configOf({ oidc: { enabled: true, issuer: issuer.url, audience: 'agents' } });
    const handler = createHandler({ authorize: () => true, getAppConfig: async () => config }, { record });
    server = http.createServer(handler).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    url = `http://127.0.0.1:${server.address().port}/`;
  }, 120_000);
  afterAll(async () => {
    await browser?.stop();
    server?.closeAllConnections();
    server?.close();
    await issuer?.stop();
  });

  const ofTheHour = (code, minutesAgo, over) => ({
    reference: 'ABCDEFGHJK',
    time: Date.now() - minutesAgo * 60_000,
    outcome: code === undefined ? 'accepted' : 'refused',
    ...(code && { code }),
    ...over,
  });

  /** Violations of the page's policy, errors and whatever else the browser complains of. */
  const complaints = () =>
    browser.events.filter(({ method, params }) => {
      // At `info` it says that it has not moved the focus, because somebody has.
      if (method === 'Log.entryAdded') return ['warning', 'error'].includes(params.entry.level);
      if (method === 'Audits.issueAdded') return params.issue.code === 'ContentSecurityPolicyIssue';
      return ['Runtime.exceptionThrown', 'Runtime.consoleAPICalled', 'Page.javascriptDialogOpening'].includes(method);
    });
  const requested = () =>
    browser.events
      .filter(({ method }) => method === 'Network.requestWillBeSent')
      .map(({ params }) => params.request.url)
      .filter((asked) => asked.startsWith('http') && new URL(asked).origin !== new URL(url).origin);

  /** Pastes a token and sends the form as somebody would. */
  async function explain(token) {
    // The answer has the form too.
    if ((await browser.evaluate('location.href')) !== url) await browser.open(url);
    await browser.evaluate("document.getElementById('token').focus()");
    await browser.send('Input.insertText', { text: token });
    await browser.send('Input.dispatchKeyEvent', {
      type: 'keyDown',
      key: 'Tab',
      code: 'Tab',
      windowsVirtualKeyCode: 9,
    });
    await browser.arriving(() =>
      browser.send('Input.dispatchKeyEvent', {
        type: 'keyDown',
        key: 'Enter',
        code: 'Enter',
        text: '\r',
        windowsVirtualKeyCode: 13,
      }),
    );
  }

  test.each(FORMS)('the chart is visible and the page as wide as the window: $width, $scheme', async (form) => {
    await browser.shape(form);
    await browser.open(url);
    const seen = await browser.evaluate(`(() => {
      const bars = [...document.querySelectorAll('svg[role=img] rect')].map((bar) => bar.getBoundingClientRect());
      const colours = (name) => getComputedStyle(document.querySelector(name)).fill;
      return {
        drawn: bars.filter(({ width, height }) => width > 1 && height > 1).length,
        fills: new Set(['rect.accepted', 'rect.c0', 'rect.c1'].map(colours)).size,
        ground: getComputedStyle(document.body).backgroundColor,
        spills: document.documentElement.scrollWidth > document.documentElement.clientWidth,
      };
    })()`);
    expect(seen).toEqual({
      drawn: expect.any(Number),
      fills: 3,
      ground: form.scheme === 'dark' ? 'rgb(15, 19, 24)' : 'rgb(255, 255, 255)',
      spills: false,
    });
    expect(seen.drawn).toBeGreaterThanOrEqual(118);
    // A picture of something: a page of one colour is a few kilobytes.
    expect((await browser.screenshot()).length).toBeGreaterThan(20_000);
  });

  test('text stands out from its ground, in both schemes (WCAG 2.2, 1.4.3)', async () => {
    for (const scheme of ['light', 'dark']) {
      await browser.shape({ width: 1280, scheme });
      await browser.open(url);
      const worst = await browser.evaluate(`(() => {
        const luminance = (colour) => {
          const [r, g, b] = colour.match(/\\d+/g).map((value) => value / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
          return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const groundOf = (element) => {
          const colour = getComputedStyle(element).backgroundColor;
          return colour === 'rgba(0, 0, 0, 0)' ? groundOf(element.parentElement) : colour;
        };
        const ratios = [...document.querySelectorAll('h1, h2, h3, p, a, th, td, dt, dd, label, button, code')].map((element) => {
          const [a, b] = [luminance(getComputedStyle(element).color), luminance(groundOf(element))].sort((x, y) => y - x);
          return (a + 0.05) / (b + 0.05);
        });
        return Math.min(...ratios);
      })()`);
      expect(worst).toBeGreaterThanOrEqual(4.5);
    }
  });

  test('a token is explained by keyboard alone; the answer has the focus and holds no part of the token', async () => {
    const token = issuer.token({ aud: 'account', email: 'ada@people.example' });
    await explain(token);
    const { focused, text } = await browser.evaluate(
      // The browser moves the focus with the first frame that it draws.
      `new Promise((resolve) => {
        const look = () =>
          document.activeElement === document.body
            ? requestAnimationFrame(look)
            : resolve({ focused: document.activeElement.textContent, text: document.documentElement.outerHTML });
        look();
      })`,
    );
    expect(focused).toBe('What becomes of the token');
    expect(text).toContain('ERR_TOKEN_AUDIENCE');
    for (let at = 0; at + 16 <= token.length; at += 1) expect(text.includes(token.slice(at, at + 16))).toBe(false);
    expect(text).not.toContain('ada@people.example');
  });

  test('who cannot see it hears it: names, headings, cells', async () => {
    await browser.open(url);
    await browser.send('Accessibility.enable');
    const { nodes } = await browser.send('Accessibility.getFullAXTree');
    const named = nodes
      .filter(({ ignored }) => !ignored)
      .map(({ role, name }) => `${role?.value} ${name?.value ?? ''}`);
    for (const part of [
      /^(image|img) Not accepted, by code: \d+ in the last hour/,
      /^textbox Token$/,
      /^button Explain$/,
      /^heading Newest refusals$/,
      /^columnheader What to do$/,
      /^navigation Sections$/,
      /^main /,
    ])
      expect(named).toContainEqual(expect.stringMatching(part));
    const unnamed = named.filter((text) => /^(textbox|button|link|image|region|combobox) $/.test(text));
    expect(unnamed).toEqual([]);
  });

  test('it works with scripts switched off', async () => {
    await browser.send('Emulation.setScriptExecutionDisabled', { value: true });
    try {
      await browser.open(url);
      const { root } = await browser.send('DOM.getDocument', { depth: -1 });
      expect(JSON.stringify(root)).toContain('Newest refusals');
    } finally {
      await browser.send('Emulation.setScriptExecutionDisabled', { value: false });
    }
  });

  test('markup in kid, iss, aud and everywhere else is inert', async () => {
    for (const text of HOSTILE_TEXTS) {
      const names = ['issuer', 'tenant', 'kid', 'expected', 'got', 'action', 'cause', 'algorithm', 'check'];
      record.add(
        ofTheHour(text, 0, { ...Object.fromEntries(names.map((name) => [name, text])), providerKids: [text] }),
      );
      await explain(issuer.token({ aud: text, iss: text, azp: text, scope: text }));
    }
    for (const kid of HOSTILE_TEXTS.slice(0, 3)) await explain(issuer.token({}, { header: { kid } }));
    const strange = await browser.evaluate(
      "document.querySelectorAll('script, iframe, img, base, meta[http-equiv], [onload], [onerror], [onfocus], [onclick]').length",
    );
    expect(strange).toBe(0);
    expect(await browser.evaluate('location.href')).toBe(url);
  }, 60_000);

  test('what a page of another origin sends to it, or frames of it, is refused', async () => {
    const evil = http.createServer((request, response) => {
      response.writeHead(200, { 'content-type': 'text/html' });
      response.end(
        `<form method="post" action="${url}"><input name="token" value="x"></form><iframe src="${url}"></iframe>`,
      );
    });
    evil.listen(0, '127.0.0.1');
    await new Promise((resolve) => evil.once('listening', resolve));
    const before = browser.events.length;
    try {
      await browser.open(`http://localhost:${evil.address().port}/`);
      await browser.arriving(() => browser.evaluate("document.querySelector('form').submit()"));
      expect(await browser.evaluate('document.body.textContent')).toMatch(/does not come from this page/);
      const framed = browser.events
        .slice(before)
        .some(({ method, params }) =>
          method === 'Log.entryAdded' ? /frame-ancestors|X-Frame-Options|Refused to/i.test(params.entry.text) : false,
        );
      const blocked = browser.events.slice(before).some(({ method }) => method === 'Network.loadingFailed');
      expect(framed || blocked).toBe(true);
    } finally {
      evil.closeAllConnections();
      evil.close();
      // Those are the other page's.
      browser.events.length = before;
    }
  });

  test('in all of that the browser had nothing to complain of, and asked nobody else', () => {
    const [said, outside] = [complaints(), requested()];
    expect(said.map((event) => JSON.stringify(event).slice(0, 400))).toEqual([]);
    expect(outside).toEqual([]);
    score(
      'S52',
      `Chromium: ${said.length} violations and errors, ${outside.length} outside requests, ${HOSTILE_TEXTS.length} hostile texts inert`,
      '0, 0, all inert',
      said.length === 0 && outside.length === 0,
    );
  });
});
