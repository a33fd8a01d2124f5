'use strict';

// Providers of the tests listen on loopback: a proxy of the developer's own machine must not come between.
for (const name of Object.keys(process.env)) {
  if (/^((http|https|no)_)?proxy$/i.test(name)) delete process.env[name];
}
