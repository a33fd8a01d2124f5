'use strict';

const { execFileSync } = require('node:child_process');
const { readFileSync } = require('node:fs');
const path = require('node:path');
const ts = require('typescript');

const ROOT = path.join(__dirname, '..', '..');

/** The values (not the types) a declaration file exports. */
function declaredValues(file) {
  const program = ts.createProgram([path.join(ROOT, file)], { module: ts.ModuleKind.CommonJS });
  const checker = program.getTypeChecker();
  const source = program.getSourceFile(path.join(ROOT, file));
  return checker
    .getExportsOfModule(checker.getSymbolAtLocation(source))
    .filter(
      (symbol) => !symbol.declarations.some((named) => ts.isExportSpecifier(named) && named.parent.parent.isTypeOnly),
    )
    .map((symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol))
    .filter((symbol) => symbol.flags & ts.SymbolFlags.Value)
    .map((symbol) => symbol.name)
    .sort();
}

test('the main entry exports exactly what its types declare', () => {
  expect(Object.keys(require('../..')).sort()).toEqual(declaredValues('index.d.ts'));
});

test('the native entry exports exactly what its types declare', () => {
  expect(Object.keys(require('../../native')).sort()).toEqual(declaredValues('native.d.ts'));
});

test('the adapter exports exactly what its types declare', () => {
  expect(Object.keys(require('../../lib/librechat')).sort()).toEqual(declaredValues('librechat.d.ts'));
});

test('the test kit exports exactly what its types declare', () => {
  expect(Object.keys(require('../../lib/stores')).sort()).toEqual(declaredValues('stores.d.ts'));
  expect(Object.keys(require('../../lib/testing')).sort()).toEqual(declaredValues('testing.d.ts'));
});

test('the metrics export exactly what their types declare', () => {
  expect(Object.keys(require('../../lib/operations/metrics')).sort()).toEqual(declaredValues('metrics.d.ts'));
});

test('the console exports exactly what its types declare', () => {
  expect(Object.keys(require('../../lib/operations/console')).sort()).toEqual(declaredValues('console.d.ts'));
});

test.each(['fastify', 'hono', 'koa', 'mcp', 'nest'])(
  'the adapter for %s exports exactly what its types declare',
  (name) => {
    expect(Object.keys(require(`../../lib/adapters/${name}`)).sort()).toEqual(declaredValues(`${name}.d.ts`));
  },
);

test('an ES module imports all entries by name', () => {
  const script = `
    import * as main from 'remote-agent-auth';
    import * as native from 'remote-agent-auth/native';
    import * as librechat from 'remote-agent-auth/librechat';
    import * as stores from 'remote-agent-auth/stores';
    import * as testing from 'remote-agent-auth/testing';
    import * as operators from 'remote-agent-auth/console';
    import * as metrics from 'remote-agent-auth/metrics';
    import * as fastify from 'remote-agent-auth/fastify';
    import * as hono from 'remote-agent-auth/hono';
    import * as koa from 'remote-agent-auth/koa';
    import * as mcp from 'remote-agent-auth/mcp';
    import * as nest from 'remote-agent-auth/nest';
    const entries = [main, native, librechat, stores, testing, operators, metrics, fastify, hono, koa, mcp, nest];
    console.log(JSON.stringify(entries.map((entry) => Object.keys(entry))));`;
  const printed = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  const named = JSON.parse(printed).map((names) =>
    names.filter((name) => !['default', 'module.exports'].includes(name)).sort(),
  );
  expect(named).toEqual(
    [
      ...['../..', '../../native', '../../lib/librechat', '../../lib/stores', '../../lib/testing'],
      '../../lib/operations/console',
      '../../lib/operations/metrics',
      ...['fastify', 'hono', 'koa', 'mcp', 'nest'].map((name) => `../../lib/adapters/${name}`),
    ].map((entry) => Object.keys(require(entry)).sort()),
  );
});

test('the entry points of package.json exist, the types of each beside it', () => {
  const { exports: entries, files } = require('../../package.json');
  for (const entry of Object.values(entries)) {
    for (const file of typeof entry === 'string' ? [entry] : Object.values(entry)) {
      expect(readFileSync(path.join(ROOT, file), 'utf8')).not.toBe('');
      const packed = files.some((name) => file === `./${name}` || file.startsWith(`./${name}/`));
      if (file !== './package.json') expect(packed).toBe(true);
    }
  }
});
