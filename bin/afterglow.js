#!/usr/bin/env node
// Plain JavaScript for any Node from 20 on: hands over to src/main.ts in this process where Node is new enough, else in the Node 24 that
// npm installed beside us. Nothing else belongs here.
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const main = new URL('../src/main.ts', import.meta.url);

if (Number.parseInt(process.versions.node, 10) >= 24) await import(main.href);
else await runWith(node24());

/**
 * The path of the Node 24 from npm for this platform, or undefined.
 *
 * @returns {string | undefined}
 */
function node24() {
  try {
    const manifest = createRequire(import.meta.url).resolve(`node-${process.platform}-${process.arch}/package.json`);
    return path.join(path.dirname(manifest), 'bin', 'node');
  } catch {
    return undefined;
  }
}

/**
 * Runs main.ts with another Node and ends as it ends: with its exit code, or by its signal.
 *
 * @param {string | undefined} node
 * @returns {Promise<void>}
 */
async function runWith(node) {
  if (node === undefined) {
    giveUp(`none came with npm for ${process.platform}-${process.arch}`);
    return;
  }
  const child = spawn(node, [fileURLToPath(main), ...process.argv.slice(2)], { stdio: 'inherit' });
  /** @type {NodeJS.Signals[]} */
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  /** @param {NodeJS.Signals} signal */
  const forward = (signal) => void child.kill(signal);
  for (const signal of signals) process.on(signal, forward);
  await new Promise((resolve) => {
    child.once('close', resolve);
    child.once('error', (error) => resolve(giveUp(error.message)));
  });
  for (const signal of signals) process.off(signal, forward);
  if (child.signalCode !== null) process.kill(process.pid, child.signalCode);
  else process.exitCode ??= child.exitCode ?? 0;
}

/**
 * Says what to do, in one line.
 *
 * @param {string} why
 */
function giveUp(why) {
  process.stderr.write(
    `Afterglow needs Node 24 or newer; this is ${process.versions.node}, and ${why}. ` +
      'Run "npm ci" without --omit=optional in the folder of Afterglow, or install Node 24.\n',
  );
  process.exitCode = 3;
}
