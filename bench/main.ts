import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import { AfterglowError } from '../src/errors.ts';
import { claimSection } from './claim/section.ts';
import { handOnSection } from './hand-on.ts';
import { idleSection } from './idle/section.ts';
import { jobsSection } from './jobs/section.ts';
import { describeMachine } from './machine.ts';
import { page, printed } from './page.ts';
import { DeliveryError } from './pipeline/delivery-error.ts';
import { pipelineSection } from './pipeline/section.ts';
import { queueSection } from './queue/section.ts';
import { pickUpSection } from './pick-up/section.ts';
import { openRedis, type RedisServer } from './peers/redis-server.ts';
import { rescueSection } from './rescue/section.ts';
import { merged, readResults, writeResults } from './results.ts';
import { scriptsSection } from './scripts/section.ts';
import type { Bench, Section } from './section.ts';
import { openServer } from './server.ts';
import { startSection } from './start.ts';

const PARTS = { claim: claimSection, pipeline: pipelineSection, queue: queueSection, pickup: pickUpSection, jobs: jobsSection, handon: handOnSection, idle: idleSection, rescue: rescueSection, scripts: scriptsSection, start: startSection } as const;
type Part = keyof typeof PARTS;

const PAGE = path.resolve(import.meta.dirname, '../docs/benchmarks.md');
const RESULTS = path.resolve(import.meta.dirname, 'results.json');
const FULL = [10_000, 1_000_000, 5_000_000];
const QUICK = [500, 1_000];

interface Options {
  quick?: true;
  transients?: number[];
  objects?: number;
  url?: string;
  write?: boolean;
}

const program = new Command('bench')
  .description('Measures Afterglow on this machine: progress on standard error, tables on standard output. A full run writes docs/benchmarks.md; with --write, so do parts: what they find takes the place of what they found before.')
  .addArgument(new Argument('[parts...]', 'what to measure; everything unless given').choices(Object.keys(PARTS)))
  .option('--quick', 'small sizes and few rounds, to see that it works; the figures mean nothing')
  .addOption(new Option('--transients <numbers>', `sizes of the register for claims, separated by commas (${FULL.join()})`).argParser(sizes))
  .addOption(new Option('--objects <number>', 'objects in the pipeline, for every side and round (10000)').argParser((text) => sizes(text)[0]!))
  .option('--url <url>', 'a PostgreSQL of yours, 15 or newer, whose user may create databases; default: an embedded one in a temporary folder (TMPDIR), removed afterwards')
  .option('--write', 'write what was measured into bench/results.json and docs/benchmarks.md (the default where everything is run in full)')
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
    // What a part had open when it failed must not keep us here.
    process.exit(error instanceof AfterglowError ? error.exitCode : 1); // oxlint-disable-line unicorn/no-process-exit
  } else throw error;
}

async function run(parts: Part[], options: Options): Promise<void> {
  const quick = options.quick === true;
  const started = performance.now();
  const server = await openServer(options.url);
  let redis: RedisServer | undefined;
  try {
    redis = await openRedis(server.folder);
    if (redis === undefined) console.error('This machine has no redis-server: BullMQ is left out.');
    const machine = await describeMachine(server.admin, server.embedded, redis);
    const bench: Bench = {
      server,
      redis,
      quick,
      objects: options.objects,
      signal: interruption.signal,
      transients: options.transients ?? (quick ? QUICK : FULL),
      progress: (line) => console.error(`${((performance.now() - started) / 1000).toFixed(0).padStart(5)} s  ${line}`),
    };
    const sections: Section[] = [];
    // Small ones wait more than they work, and nobody reads their figures.
    if (quick) sections.push(...(await Promise.race([allOf(partsOf(parts).map((part) => PARTS[part](bench))), interrupted])));
    else for (const part of partsOf(parts)) sections.push(await Promise.race([PARTS[part](bench), interrupted]));
    console.log(printed(machine, sections));
    const isFull = !quick && parts.length === 0 && options.transients === undefined && options.objects === undefined;
    if (options.write ?? isFull) {
      const now = partsOf(parts).map((part, place) => ({ part, machine, section: sections[place]! }));
      const results = merged(await readResults(RESULTS), now, Object.keys(PARTS));
      await writeResults(RESULTS, results);
      await mkdir(path.dirname(PAGE), { recursive: true });
      await writeFile(PAGE, page(results));
      console.error(`written: ${path.relative(process.cwd(), PAGE)}`);
    }
  } finally {
    await redis?.close();
    await server.close();
  }
}

/** Like Promise.all, but nothing is under way any more when it rejects. */
async function allOf(promises: readonly Promise<Section>[]): Promise<Section[]> {
  await Promise.allSettled(promises);
  return Promise.all(promises);
}

// In their own order, whatever the order they are asked for in.
function partsOf(asked: readonly Part[]): Part[] {
  return (Object.keys(PARTS) as Part[]).filter((part) => asked.length === 0 || asked.includes(part));
}

function sizes(text: string): number[] {
  const numbers = text.split(',').map(Number);
  if (numbers.some((number) => !Number.isInteger(number) || number < 1)) throw new InvalidArgumentError('Expected whole numbers, separated by commas.');
  return numbers.toSorted((a, b) => a - b);
}
