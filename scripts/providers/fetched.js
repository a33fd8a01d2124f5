'use strict';

// The providers' programs: fetched once into .cache/providers by the clients of their registries, which know where those are.

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const CACHE = path.join(__dirname, '..', '..', '.cache', 'providers');
const KEYCLOAK = '26.7.3';
const HYDRA = 'v2.3.0';
/** What Hydra's own module puts in the place of a module it requires; without it, it does not compile. */
const HYDRA_REPLACES = 'github.com/gobuffalo/pop/v6 => github.com/ory/pop/v6 v6.2.1-0.20241121111754-e5dfc0f3344b';
const COPY = 'org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy';
/** For 170 MB, or a compilation on two busy cores. */
const PATIENCE_MS = 25 * 60_000;

/** A provider that cannot be had here; its message says why. */
class Missing extends Error {}

/** @param {string} command @param {string[]} args @param {import('node:child_process').SpawnSyncOptions} [options] */
function run(command, args, options = {}) {
  const done = spawnSync(command, args, { encoding: 'utf8', timeout: PATIENCE_MS, maxBuffer: 1 << 26, ...options });
  return {
    ok: done.error === undefined && done.status === 0,
    output: `${done.stdout ?? ''}${done.stderr ?? ''}${done.error ?? ''}`,
  };
}

/** @param {string} tool @param {string} command @param {string[]} args @returns {string} what it says of itself */
function need(tool, command, args) {
  const { ok, output } = run(command, args);
  if (!ok) throw new Missing(`needs ${tool}`);
  return output;
}

/** @param {string} what @param {string} command @param {string[]} args @param {import('node:child_process').SpawnSyncOptions} [options] */
function must(what, command, args, options) {
  const { ok, output } = run(command, args, options);
  if (!ok) throw new Missing(`${what} failed: ${output.trim().split('\n').slice(-3).join(' | ')}`);
}

/** @returns {string} the folder of a Keycloak distribution */
function keycloakHome() {
  const java = Number(/version "(\d+)/.exec(need('Java 17 or newer', 'java', ['-version']))?.[1]);
  if (!(java >= 17)) throw new Missing(`needs Java 17 or newer, and has ${java}`);
  const home = path.join(CACHE, `keycloak-${KEYCLOAK}`);
  if (fs.existsSync(path.join(home, 'bin', 'kc.sh'))) return home;
  need('Maven', 'mvn', ['--version']);
  need('unzip', 'unzip', ['-v']);
  fs.mkdirSync(CACHE, { recursive: true });
  const artifact = `-Dartifact=org.keycloak:keycloak-quarkus-dist:${KEYCLOAK}:zip`;
  must('fetching Keycloak', 'mvn', [
    '-B',
    '-q',
    COPY,
    artifact,
    `-DoutputDirectory=${CACHE}`,
    '-Dmdep.useBaseVersion=true',
  ]);
  const zip = path.join(CACHE, `keycloak-quarkus-dist-${KEYCLOAK}.zip`);
  const unpacked = fs.mkdtempSync(path.join(CACHE, 'unpack-'));
  must('unpacking Keycloak', 'unzip', ['-q', zip, '-d', unpacked]);
  fs.renameSync(path.join(unpacked, `keycloak-${KEYCLOAK}`), home);
  fs.rmSync(unpacked, { recursive: true });
  fs.rmSync(zip);
  return home;
}

/** @returns {string} the program of Ory Hydra, with SQLite, which needs a C compiler */
function hydraProgram() {
  const program = path.join(CACHE, `hydra-${HYDRA}`);
  if (fs.existsSync(program)) return program;
  need('Go', 'go', ['version']);
  need('a C compiler', 'cc', ['--version']);
  // A module of our own: Hydra's has replacements, with which `go install` of it by version is refused.
  const folder = path.join(CACHE, 'hydra-module');
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(path.join(folder, 'go.mod'), `module providers\n\ngo 1.23\n\nreplace ${HYDRA_REPLACES}\n`);
  const options = { cwd: folder, env: { ...process.env, CGO_ENABLED: '1', GOFLAGS: '-mod=mod' } };
  must('fetching Hydra', 'go', ['get', '-tool', `github.com/ory/hydra/v2@${HYDRA}`], options);
  const target = ['-tags', 'sqlite,sqlite_omit_load_extension', '-o', program, 'github.com/ory/hydra/v2'];
  must('building Hydra', 'go', ['build', ...target], options);
  return program;
}

module.exports = { CACHE, Missing, hydraProgram, keycloakHome };
