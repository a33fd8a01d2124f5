'use strict';

// A block of shell in the documents: parsed by bash, and every command in it is one of ours or a tool whose use is checked here.

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { ROOT, read } = require('./markdown');

/** @typedef {import('./markdown').Block} Block */

/** @param {Block} block */
function checkShell(block) {
  execFileSync('bash', ['-n'], { input: block.text, stdio: 'pipe' });
  const commands = block.text
    .replace(/\\\n\s*/g, ' ')
    .replace(/^[A-Z_]+=\$\((.*)\)$/gm, '$1')
    .replace(/'[^']*'|"[^"]*"/g, (quoted) => quoted.replace(/[|#&\n]/g, '_'))
    .split(/\n|\||&&/)
    .map((line) => line.replace(/(^|\s)#.*$/, '').trim())
    .filter((line) => line !== '');
  for (const command of commands)
    checkCommand(
      command
        .replace(/^(?:[A-Z_]+=\S+ )+/, '')
        .replace(/ &$/, '')
        .split(/\s+/),
      block,
    );
}

/** @param {string[]} words @param {Block} block */
function checkCommand([program = '', ...args], block) {
  const known = COMMANDS[program];
  if (known === undefined) throw new Error(`${block.file}:${block.line}: nobody here checks \`${program}\``);
  known(args, block);
}

const { bin, scripts, name: packageName } = require('../../package.json');

const helpOf = (/** @type {string} */ command) =>
  execFileSync(process.execPath, [path.join(ROOT, bin[packageName]), command, '--help'], { encoding: 'utf8' });

/** @type {Record<string, (args: string[], block: Block) => void>} */
const COMMANDS = {
  npm(args) {
    const [command, ...rest] = args.filter((word) => !word.startsWith('-'));
    if (command === 'test' || command === 'ci') return;
    if (command === 'run') expect(Object.keys(scripts)).toEqual(expect.arrayContaining([rest[0]]));
    else if (command === 'install')
      expect([packageName, 'express', 'api', '@modelcontextprotocol/sdk']).toEqual(expect.arrayContaining(rest));
    else throw new Error(`npm ${args.join(' ')}`);
  },
  node([file = ''], block) {
    if (file.startsWith('-')) return expect(block.marker).toBeDefined();
    if (block.marker === undefined) expect(fs.existsSync(path.join(ROOT, file)) ? file : 'a script of ours').toBe(file);
  },
  cargo([command, ...args]) {
    expect(['test', 'bench', 'build', 'clippy', 'fmt', 'deny']).toContain(command);
    const at = args.indexOf('--bench');
    if (at >= 0) expect(read('Cargo.toml')).toContain(`[[bench]]\nname = "${args[at + 1]}"`);
  },
  curl(args) {
    const urls = args.map((word) => word.replace(/^['"]/, '')).filter((word) => /^https?:/.test(word));
    expect(urls.length).toBe(1);
  },
  git([command]) {
    expect(['apply']).toContain(command);
  },
  npx([name, command, ...args]) {
    if (name === 'jest')
      return expect(fs.existsSync(path.join(ROOT, command)) ? command : 'a test of ours').toBe(command);
    expect(name).toBe(packageName);
    expect(['console', 'doctor', 'issuer']).toContain(command);
    const options = args.filter((word) => word.startsWith('--'));
    expect(options.filter((option) => !helpOf(command).includes(`  ${option} `))).toEqual([]);
  },
  printf() {},
  'kcadm.sh'([command = '', what = '']) {
    expect(['config', 'create', 'update', 'get', 'set-password', 'add-roles']).toContain(command);
    if (command === 'config') expect(what).toBe('credentials');
  },
  kill(jobs) {
    for (const job of jobs) expect(job).toMatch(/^%\d$/);
  },
};

module.exports = { checkShell };
