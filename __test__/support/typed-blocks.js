'use strict';

// Blocks of JavaScript and TypeScript in the documents, compiled against our types, all in one go.

const { execFile } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { promisify } = require('node:util');

/** @typedef {import('./markdown').Block} Block */

/** Where `await` or `return` stand alone, as they may in a fragment, a function goes around them. @param {Block} block */
function asFile({ language, text }) {
  return /^import /m.test(text) ? [`m${language}`, text] : [language, `(async () => {\n${text}\n})();`];
}

/**
 * @param {Block[]} list
 * @param {string} folder inside the repository, where `remote-agent-auth` is this very package
 * @returns {Promise<string>} what tsc says about them; empty when it is content
 */
async function compiled(list, folder) {
  const files = list.map((block) => {
    const [extension, text] = asFile(block);
    const name = `${block.file.replace(/\W/g, '-')}-${block.line}.${extension}`;
    fs.writeFileSync(path.join(folder, name), text);
    return name;
  });
  const compilerOptions = {
    ...{ allowJs: true, checkJs: true, noEmit: true, strict: true, noImplicitAny: false, skipLibCheck: true },
    ...{ target: 'ES2022', lib: ['ES2023'], module: 'Node16', moduleResolution: 'Node16', types: ['node'] },
    ...{ experimentalDecorators: true, moduleDetection: 'force', esModuleInterop: true, maxNodeModuleJsDepth: 0 },
  };
  const globals = path.join(__dirname, '..', 'types', 'docs-globals.d.ts');
  fs.writeFileSync(path.join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: [...files, globals] }));
  const tsc = require.resolve('typescript/bin/tsc');
  return promisify(execFile)(process.execPath, [tsc, '-p', folder], { cwd: folder }).then(
    () => '',
    (error) => error.stdout || error.message,
  );
}

module.exports = { compiled };
