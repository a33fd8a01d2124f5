'use strict';

// Loads the package of the folder it runs in, on a machine changed as the argument says, and prints what came of it.

const fs = require('node:fs');
const Module = require('node:module');

/**
 * `deny`: functions of `fs`, each with the code it throws for a platform package. `thrown`: the error in place of what the file exports.
 * @typedef {{ process?: object, maps?: string | null, mounts?: string, deny?: Record<string, string>, report?: object, dlopen?: string,
 *   thrown?: object, exports?: object, entry?: string }} Machine
 */
/** @type {Machine} */
const machine = JSON.parse(process.argv[2] ?? '{}');

for (const [name, value] of Object.entries(machine.process ?? {})) Object.defineProperty(process, name, { value });

const { readFileSync } = fs;
// @ts-expect-error one overload is enough here
fs.readFileSync = (file, ...rest) => {
  if (file === '/proc/self/mounts' && machine.mounts !== undefined) return machine.mounts;
  if (file !== '/proc/self/maps' || machine.maps === undefined) return readFileSync(file, ...rest);
  if (machine.maps === null) throw Object.assign(new Error('no /proc'), { code: 'ENOENT' });
  return machine.maps;
};

for (const [name, code] of Object.entries(machine.deny ?? {})) {
  const original = fs[name];
  fs[name] = (file, ...rest) => {
    if (/remote-agent-auth-/.test(file))
      throw Object.assign(new Error(`${code}: not here, ${name} '${file}'`), { code });
    return original(file, ...rest);
  };
}

// The report takes long to make: the loader is to do without it, so each look at it is counted.
let reports = 0;
process.report.getReport = () => {
  reports += 1;
  return machine.report ?? {};
};

const loadNative = Module._extensions['.node'];
Module._extensions['.node'] = (module, file) => {
  if (machine.thrown) throw Object.assign(new Error(), machine.thrown);
  if (machine.dlopen) throw Object.assign(new Error(machine.dlopen), { code: 'ERR_DLOPEN_FAILED' });
  loadNative(module, file);
  Object.assign(module.exports, machine.exports);
};

const warnings = [];
process.on('warning', ({ name, code, message }) => warnings.push({ name, code, message }));

/** @type {object} */
let outcome;
try {
  const loaded = Module.createRequire(`${process.cwd()}/`)(machine.entry ?? 'remote-agent-auth');
  outcome = { exports: Object.keys(loaded).length };
} catch (error) {
  outcome = { code: error.code, message: error.message, cause: error.cause?.message };
}
// Warnings come on a later turn.
setImmediate(() => process.stdout.write(JSON.stringify({ ...outcome, reports, warnings })));
