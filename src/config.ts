import os from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { ConfigError } from './errors.ts';

/** What a label may look like, anywhere in a text. */
const LABEL = /[\w.:/-]{1,64}/;

const ADDRESS = /[^\s,@<>"]+@[^\s,@<>"]+/;
const MAIL_ADDRESS = new RegExp(`^${ADDRESS.source}$`);
const MAIL_ADDRESSES = new RegExp(`^\\s*${ADDRESS.source}(\\s*,\\s*${ADDRESS.source})*\\s*$`);

/** Whether a text can be a label of a daemon. */
export const isLabel = (text: string): boolean => new RegExp(`^${LABEL.source}$`).test(text);

const environment = z.object({
  /** A PostgreSQL of your own, 15 or newer; without it the embedded one is started in the data folder. */
  DATABASE_URL: z.string().regex(/^postgres(ql)?:\/\//, 'a connection string postgresql://…').optional(),
  AFTERGLOW_DATA: z.string().min(1).default('./data'),
  /** Files and folders of fixtures, separated by colons. */
  AFTERGLOW_FIXTURES: z.string().min(1).default('fixtures:fixtures/example'),
  AFTERGLOW_RUNNERS: z.string().min(1).default('runners/index.ts'),
  AFTERGLOW_HOST: z.string().min(1).default('127.0.0.1'),
  AFTERGLOW_PORT: z.coerce.number('a port').int().min(0).max(65535).default(4000),
  /** What whoever asks for requests over the network has to know. */
  AFTERGLOW_API_TOKEN: z.string().regex(/^[\x21-\x7e]{16,200}$/, 'a secret of 16 to 200 printable ASCII characters without spaces').optional(),
  /** How many attempts one daemon runs at once. */
  AFTERGLOW_CONCURRENCY: z.coerce.number('a number').int().min(1).max(1000).default(16),
  /** How many isolated attempts one daemon runs at once, each in a process of its own; the number of processors unless given. */
  AFTERGLOW_PROCESSES: z.coerce.number('a number').int().min(1).max(1000).optional(),
  /** After how many attempts a process makes room for another; 0: never. */
  AFTERGLOW_MAX_TASKS_PER_PROCESS: z.coerce.number('a number').int().min(0).max(1_000_000).default(1000),
  /** How long a claim is ours without being renewed; it is renewed every third of this. */
  AFTERGLOW_LEASE_SECONDS: z.coerce.number('a number').min(1).max(86400).default(20),
  /** How long running attempts may go on after the daemon was told to stop. */
  AFTERGLOW_GRACE_SECONDS: z.coerce.number('a number').min(0).max(86400).default(10),
  /** What this machine has that some runners require, separated by commas. */
  AFTERGLOW_LABELS: z.string().regex(new RegExp(`^(${LABEL.source}\\s*(,|$)\\s*)+$`), 'labels separated by commas, of letters, digits and . _ : / -').optional(),
  /** What carries the attempts: the register alone, or BullMQ on a Redis. */
  ENGINE: z.enum(['local', 'bullmq'], 'local or bullmq').default('local'),
  /** Where BullMQ's queues are. */
  REDIS_URL: z.string().regex(/^(rediss?:\/\/|unix:\/)/, 'an address redis://…, rediss://… or unix:/…').optional(),
  /** The server that mail is sent by. */
  AFTERGLOW_SMTP_URL: z.string().regex(/^smtps?:\/\/[^/\s]+/, 'an address smtp://user:password@host:port or smtps://…').optional(),
  AFTERGLOW_MAIL_FROM: z.string().regex(MAIL_ADDRESS, 'a mail address').optional(),
  /** Who is told of every final failure, unless its runner names others. */
  AFTERGLOW_ON_FAILURE_MAIL: z.string().regex(MAIL_ADDRESSES, 'mail addresses separated by commas').optional(),
  AFTERGLOW_ON_FAILURE_WEBHOOK: z.string().regex(/^https?:\/\/[^/\s]+/, 'an address https://… or http://…').optional(),
  AFTERGLOW_LOG: z.enum(['plain', 'json', 'silent']).default('plain'),
});

/** Every setting, with its default filled in. */
export interface Config {
  databaseUrl: string | undefined;
  /** Absolute. Holds the embedded database, the products and the inbox. */
  dataFolder: string;
  /** Files and folders of fixtures. */
  fixtures: readonly string[];
  runnersFile: string;
  host: string;
  port: number;
  /** What whoever asks for requests has to know; undefined: they are open to this machine alone. */
  apiToken: string | undefined;
  concurrency: number;
  /** Isolated attempts at once, beside those. */
  processes: number;
  /** 0: no limit. */
  maxTasksPerProcess: number;
  /** What this machine has that some runners require. */
  labels: readonly string[];
  leaseSeconds: number;
  graceSeconds: number;
  /** What carries the attempts. */
  engine: 'local' | 'bullmq';
  /** Of BullMQ's queues; always there where the engine is `bullmq`. */
  redisUrl: string | undefined;
  /** The server that mail is sent by; without it none is. */
  smtpUrl: string | undefined;
  /** Who mail is from. */
  mailFrom: string;
  /** Who is told of every final failure, unless its runner names others. */
  onFailure: { mail: readonly string[]; webhook: string | undefined };
  log: 'plain' | 'json' | 'silent';
}

/**
 * Reads the settings from the environment, with what the command line says on top.
 *
 * @param root the folder that the defaults `fixtures` and `runners/index.ts` are looked for in: the project's own
 * @throws {ConfigError} a setting is wrong; names it, what was expected and what was found
 */
export function readConfig(options: Partial<Config> = {}, env: NodeJS.ProcessEnv = process.env, root = path.resolve(import.meta.dirname, '..')): Config {
  // An empty variable is one that is not set: compose files and shells make such.
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const read = environment.safeParse(given);
  if (!read.success) {
    const problems = read.error.issues.map((issue) => `${issue.path.join('.')}: expected ${issue.message}, found ${shown(issue.path[0], given)}`);
    throw new ConfigError(problems.join('\n'));
  }
  const set = read.data;
  if (set.ENGINE === 'bullmq' && set.REDIS_URL === undefined) throw new ConfigError('ENGINE=bullmq needs REDIS_URL: expected an address redis://…, rediss://… or unix:/…, found nothing.');
  const inRoot = (file: string, variable: string) => (given[variable] === undefined ? path.relative(process.cwd(), path.join(root, file)) || '.' : file);
  return {
    databaseUrl: set.DATABASE_URL,
    fixtures: set.AFTERGLOW_FIXTURES.split(':').map((file) => inRoot(file, 'AFTERGLOW_FIXTURES')),
    runnersFile: inRoot(set.AFTERGLOW_RUNNERS, 'AFTERGLOW_RUNNERS'),
    host: set.AFTERGLOW_HOST,
    port: set.AFTERGLOW_PORT,
    apiToken: set.AFTERGLOW_API_TOKEN,
    concurrency: set.AFTERGLOW_CONCURRENCY,
    processes: set.AFTERGLOW_PROCESSES ?? os.availableParallelism(),
    maxTasksPerProcess: set.AFTERGLOW_MAX_TASKS_PER_PROCESS,
    labels: (set.AFTERGLOW_LABELS ?? '').split(',').map((label) => label.trim()).filter((label) => label !== ''),
    leaseSeconds: set.AFTERGLOW_LEASE_SECONDS,
    graceSeconds: set.AFTERGLOW_GRACE_SECONDS,
    engine: set.ENGINE,
    redisUrl: set.REDIS_URL,
    smtpUrl: set.AFTERGLOW_SMTP_URL,
    mailFrom: set.AFTERGLOW_MAIL_FROM ?? `afterglow@${os.hostname()}`,
    onFailure: { mail: (set.AFTERGLOW_ON_FAILURE_MAIL ?? '').split(',').map((address) => address.trim()).filter((address) => address !== ''), webhook: set.AFTERGLOW_ON_FAILURE_WEBHOOK },
    log: set.AFTERGLOW_LOG,
    ...Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)),
    dataFolder: path.resolve(options.dataFolder ?? set.AFTERGLOW_DATA),
  };
}

// Addresses may hold passwords.
const SECRET: ReadonlySet<unknown> = new Set(['DATABASE_URL', 'REDIS_URL', 'AFTERGLOW_API_TOKEN', 'AFTERGLOW_SMTP_URL', 'AFTERGLOW_ON_FAILURE_WEBHOOK']);
const shown = (name: unknown, given: NodeJS.ProcessEnv): string => (SECRET.has(name) ? 'something else' : JSON.stringify(given[String(name)]));
