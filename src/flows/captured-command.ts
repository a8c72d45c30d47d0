// The script of the job "afterglow command": reads a command of ours from standard input, runs it without a shell, and says
// what it printed. Whoever kills this process kills its group, and the command with it.
import { spawn } from 'node:child_process';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { HeadAndTail } from './head-and-tail.ts';

/** Of each stream, so much is kept of its beginning and of its end, bytes. */
const MOST_BYTES = 50_000;

const { args } = JSON.parse(await text(process.stdin)) as { args: { command: string; args: readonly string[] } };
const child = spawn(process.execPath, [path.join(import.meta.dirname, '../main.ts'), ...args.command.split(' '), ...args.args], { stdio: ['ignore', 'pipe', 'pipe'] });
const output = { stdout: new HeadAndTail(MOST_BYTES), stderr: new HeadAndTail(MOST_BYTES) };
for (const name of ['stdout', 'stderr'] as const) child[name].on('data', (chunk: Buffer) => output[name].add(chunk));
const [exitCode, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
  child.once('error', reject);
  child.once('close', (code, by) => resolve([code, by]));
});
const said = { status: 'success', exitCode, signal, stdout: output.stdout.text, stderr: output.stderr.text };
process.stdout.write(`== RESULT START ==\n${JSON.stringify(said)}\n== RESULT END ==\n`);
