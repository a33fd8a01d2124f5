// LibreChat's rule of which URLs may be configured.
// Values that are not strings can only be tried from JavaScript.
const allowed = (...values) => values.map((value) => ({ value, allowed: true }));
const refused = (...values) => values.map((value) => ({ value, allowed: false }));

export default [
  ...allowed('https://a.example.com', 'HTTPS://A.example.com', 'https://a.example.com:8443', 'https://a.example.com/x/y', 'https://a.example.com/?q=1', 'https://a.example.com/#f', 'https://a.example.com:443/x?y#z'),
  ...allowed('https://user:pw@host/x', 'https://10.0.0.1/x', 'https://169.254.169.254/latest', 'https://[::1]/x', 'https://localhost'),
  ...allowed('https:a.example.com', 'https:/a.example.com', 'https:\\\\a\\x', 'https:///x'),
  ...allowed(' https://a.example.com', 'https://a.example.com ', '\n\thttps://a.example.com\r\n', 'ht\ntps://a.example.com', 'https://a.example\t.com'),
  ...allowed('https://exa_mple.com', 'https://bücher.example', 'https://xn--bcher-kva.example', 'https://日本.example', 'https://0x7f.1', 'https://a:0'),
  ...allowed('http://localhost', 'http://LOCALHOST', 'http://localhost:8080/x', 'http://localhost:', 'http://localhost/?x#y', 'HTTP://localhost'),
  ...allowed('http://foo.localhost', 'http://FOO.LOCALHOST:99', 'http://a.b.localhost', 'http://.localhost'),
  ...allowed('http://127.0.0.1:1/x', 'http://127.0.0.1', 'http://127.1', 'http://2130706433', 'http://0x7f000001', 'http://0177.0.0.1'),
  ...allowed('http://[::1]', 'http://[::1]:8080/a', 'http://[0:0:0:0:0:0:0:1]'),
  ...allowed('http://evil.com@localhost', 'http:localhost', 'http:/localhost/x', 'http://loc%61lhost', 'http://\u24dbocalhost', 'http://\uff11\uff12\uff17.0.0.1', 'http://local\thost'),

  ...refused('http://example.com', 'http://192.168.1.1', 'http://host.docker.internal', 'http://10.0.0.1', 'http://169.254.169.254/latest'),
  ...refused('https://', 'https://?', 'https://a b.com', 'https://#', 'https://a.example.com:99999', 'https://[::1', 'https://a%00b.com'),
  ...refused('https', 'http://', '//localhost', 'localhost', 'localhost:8080', 'my-realm', '/x', '   ', '\t\n', '.', '?', '#'),
  ...refused('https+x://a', 'httpss://a', 'shttp://localhost'),
  ...refused('http://localhost:99999', 'http://localhost.', 'http://localhost./x', 'http://foo.localhost.'),
  ...refused('http://localhost.localdomain', 'http://localhost.evil.com', 'http://evil-localhost', 'http://evillocalhost', 'http://localhost.com'),
  ...refused('http://127.0.0.2', 'http://127.0.0.1.nip.io', 'http://0.0.0.0', 'http://0', 'http://127.0.0.256'),
  ...refused('http://[::]', 'http://[::ffff:127.0.0.1]', 'http://[::2]'),
  ...refused('http://localhost@evil.com', 'http://localhost:80@evil.com/', 'http://evil.com#localhost', 'http://evil.com/.localhost', 'http://evil.com?.localhost', 'http://evil.com\\@localhost/'),
  ...refused('ftp://localhost', 'ws://localhost', 'wss://a.example.com', 'file:///etc/passwd', 'file://localhost/x', 'javascript:alert(1)', 'data:text/plain,x', 'blob:https://a.example.com/x', 'about:blank'),
  // Not set at all, for `jwksUri`: an empty string there means discovery, as any falsy value does in LibreChat.
  { value: '', allowed: false, unset: true },
  { value: null, allowed: false, unset: true },
  { value: 0, allowed: false, unset: true },
  { value: false, allowed: false, unset: true },
  // LibreChat's function lets this one pass, because an array of one turns into its text; its schema refuses it before.
  { value: ['https://a.example.com'], allowed: false, differs: 'unlisted: an array of one URL' },
  ...refused(5, true, [], { href: 'https://a.example.com' }, {}),
];
