import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { AfterglowError } from '../src/errors.ts';
import { claimSection } from './claim/section.ts';
import { handOnSection } from './hand-on.ts';
import { describeMachine } from './machine.ts';
import { page, printed } from './page.ts';
import { DeliveryError } from './pipeline/delivery-error.ts';
import { pipelineSection } from './pipeline/section.ts';
import type { Bench, Section } from './section.ts';
import { openServer } from './server.ts';
import { startSection } from './start.ts';

const PARTS = { claim: claimSection, pipeline: pipelineSection, handon: handOnSection, start: startSection } as const;
type Part = keyof typeof PARTS;

const PAGE = path.resolve(import.meta.dirname, '../docs/benchmarks.md');
const FULL = [10_000, 100_000, 1_000_000];
const QUICK = [500, 1_000];

interface Options {
  only?: Part;
  quick?: true;
  transients?: number[];
  url?: string;
  write?: boolean;
}

const program = new Command('bench')
  .description('Measures Afterglow on this machine: progress on standard error, tables on standard output. A full run writes docs/benchmarks.md.')
  .addOption(new Option('--only <part>', 'run one part').choices(Object.keys(PARTS)))
  .option('--quick', 'small sizes and few rounds, to see that it works; the figures mean nothing')
  .addOption(new Option('--transients <numbers>', `sizes of the register for claims, separated by commas (${FULL.join()})`).argParser(sizes))
  .option('--url <url>', 'a PostgreSQL of yours, 15 or newer, whose user may create databases; default: an embedded one in a temporary folder (TMPDIR), removed afterwards')
  .option('--write', 'write docs/benchmarks.md (the default where everything is run in full)')
  .option('--no-write', 'do not')
  .action(run);

// Ended by a signal, we still take our databases with us; then the signal does what it does.
const interruption = new AbortController();
const interrupted = new Promise<never>((_resolve, reject) => {
  interruption.signal.addEventListener('abort', () => reject(interruption.signal.reason as Error));
});
interrupted.catch(() => {});
let signalled: NodeJS.Signals | undefined;
const onSignal = (signal: NodeJS.Signals): void => {
  signalled = signal;
  interruption.abort();
};
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, onSignal);

try {
  await program.parseAsync();
} catch (error) {
  if (signalled !== undefined) process.kill(process.pid, signalled);
  else if (error instanceof AfterglowError || error instanceof DeliveryError) {
    console.error(`${error.name}: ${error.message}`);
    process.exitCode = error instanceof AfterglowError ? error.exitCode : 1;
  } else throw error;
}

async function run(options: Options): Promise<void> {
  const quick = options.quick === true;
  const started = performance.now();
  const server = await openServer(options.url);
  try {
    const machine = await describeMachine(server.admin, server.embedded);
    const bench: Bench = {
      server,
      quick,
      signal: interruption.signal,
      transients: options.transients ?? (quick ? QUICK : FULL),
      progress: (line) => console.error(`${((performance.now() - started) / 1000).toFixed(0).padStart(5)} s  ${line}`),
    };
    const sections: Section[] = [];
    for (const part of partsOf(options)) sections.push(await Promise.race([PARTS[part](bench), interrupted]));
    console.log(printed(machine, sections));
    const isFull = !quick && options.only === undefined && options.transients === undefined;
    if (options.write ?? isFull) {
      await mkdir(path.dirname(PAGE), { recursive: true });
      await writeFile(PAGE, page(machine, sections));
      console.error(`written: ${path.relative(process.cwd(), PAGE)}`);
    }
  } finally {
    await server.close();
  }
}

function partsOf({ only }: Options): Part[] {
  return only === undefined ? (Object.keys(PARTS) as Part[]) : [only];
}

function sizes(text: string): number[] {
  const numbers = text.split(',').map(Number);
  if (numbers.some((number) => !Number.isInteger(number) || number < 1)) throw new InvalidArgumentError('Expected whole numbers, separated by commas.');
  return numbers.toSorted((a, b) => a - b);
}
