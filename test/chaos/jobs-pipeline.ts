import { setTimeout as delay } from 'node:timers/promises';
import type { MigrationObject } from '@mikro-orm/postgresql';
import { Migration } from '@mikro-orm/migrations';
import { z } from 'zod';
import { JobRunner, RequestTaskRunner, ScriptJobRunner, ServiceError, type JobContext, type Outcome, type Request, type RunContext } from '../../src/index.ts';
import { untilTold } from './pipeline.ts';

/** What the runners wrote, once for each job if all is well, and the rows that requests are about. */
class Tables extends Migration {
  override up(): void {
    this.addSql(`create table effect (what text not null, id bigint not null, attempt integer not null, value integer)`);
    this.addSql(`create table person (uuid text primary key, name text not null)`);
  }
}
export const migrations: readonly MigrationObject[] = [{ name: 'chaos-0001-jobs', class: Tables }];

/** Of a hundred runs, so many fail of a service, and so many never come back. */
const FAIL = 2;
const HANG = 1;
const RETRY = { attempts: 30, baseSeconds: 0.2, capSeconds: 1, timeLimit: true };

/** Works for some milliseconds; now and then it fails, or hangs until its time limit stops it. */
async function work({ signal }: RunContext): Promise<void> {
  const fate = Math.random() * 100;
  await delay(5 + Math.random() * 20);
  if (fate < HANG) await untilTold(signal);
  if (fate < HANG + FAIL) throw new ServiceError('weather', 'It rains.');
}

const write = ({ em, attempt }: RunContext, what: string, id: string, value: number | null): Promise<unknown> =>
  em.execute(`insert into effect (what, id, attempt, value) values (?, ?, ?, ?)`, [what, id, attempt, value]);

/** Gives back its number. */
class Count extends JobRunner<{ n: number }, number> {
  readonly taskName = 'Count';
  readonly args = z.object({ n: z.number() });
  override readonly result = z.number();
  override readonly retry = RETRY;
  override readonly timeLimitSeconds = 1;
  async run({ n }: { n: number }, context: JobContext): Promise<number> {
    await work(context);
    await write(context, 'Count', context.job.id, n);
    return n;
  }
}

/** The last of a chord: adds up what the others gave. */
class Sum extends JobRunner<object, number> {
  readonly taskName = 'Sum';
  readonly args = z.object({});
  override readonly result = z.number();
  override readonly retry = RETRY;
  override readonly timeLimitSeconds = 5;
  async run(_args: object, context: JobContext): Promise<number> {
    const sum = (await context.parentResults()).reduce<number>((total, one) => total + Number(one), 0);
    await write(context, 'Sum', context.job.id, sum);
    return sum;
  }
}

/** One after another, of each key. */
class InTurn extends JobRunner<{ key: string; n: number }, number> {
  readonly taskName = 'In turn';
  readonly args = z.object({ key: z.string(), n: z.number() });
  override readonly retry = RETRY;
  override readonly timeLimitSeconds = 1;
  override readonly concurrencyPerKey = 1;
  override key({ key }: { key: string }): string {
    return key;
  }
  async run({ n }: { n: number }, context: JobContext): Promise<number> {
    await work(context);
    await write(context, 'In turn', context.job.id, n);
    return n;
  }
}

/** A shell script that starts a process of its own. */
class Shell extends ScriptJobRunner<{ n: number }, { n: number }> {
  readonly taskName = 'Shell';
  readonly args = z.object({ n: z.number() });
  readonly script = new URL('./fixtures/slow.sh', import.meta.url);
  override readonly passedEnvironment = ['CHAOS_FOLDER'];
  override readonly retry = RETRY;
  override argv({ n }: { n: number }): readonly string[] {
    return [String(n)];
  }
}

class Find extends RequestTaskRunner {
  readonly taskName = 'Find person';
  readonly requestTypes = ['delete'];
  override readonly needsIdentifiers = ['uuid'];
  override readonly retry = RETRY;
  override readonly timeLimitSeconds = 1;
  async runProcess({ identifiers }: Request, context: RunContext): Promise<Outcome> {
    await work(context);
    const rows = await context.em.execute<object[]>(`select from person where uuid = ?`, [identifiers.uuid]);
    return { status: 'processed', result: `${rows.length} found` };
  }
}

class Remove extends RequestTaskRunner {
  readonly taskName = 'Remove person';
  readonly requestTypes = ['delete'];
  override readonly prerequisites = { 'Find person': 'processed' };
  override readonly retry = RETRY;
  override readonly timeLimitSeconds = 1;
  async runProcess({ id, identifiers }: Request, context: RunContext): Promise<Outcome> {
    const gone = await context.em.execute<object[]>(`delete from person where uuid = ? returning uuid`, [identifiers.uuid]);
    await work(context);
    await write(context, 'Remove person', id, gone.length);
    return { status: 'processed', result: `${gone.length} removed` };
  }
}

class Letter extends RequestTaskRunner {
  readonly taskName = 'Letter';
  readonly requestTypes = ['delete'];
  override readonly closes = true;
  override readonly retry = RETRY;
  override readonly timeLimitSeconds = 1;
  async runProcess({ id }: Request, context: RunContext): Promise<string> {
    await work(context);
    await write(context, 'Letter', id, null);
    return 'processed';
  }
}

export const [count, sum, inTurn, shell] = [new Count(), new Sum(), new InTurn(), new Shell()];
export const periodicRunners = [count, sum, inTurn, shell, new Find(), new Remove(), new Letter()];
