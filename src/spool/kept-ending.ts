import { z } from 'zod';
import type { Json } from '../runner/outcome.ts';

/** The format of the files. A file of a newer one is left alone. */
export const VERSION = 1;

const json = z.custom<Json>((value) => value !== undefined);

// Names beside the ids: they tell people what it is, and keep a file from being delivered to another database.
const keptEnding = z.object({
  version: z.literal(VERSION),
  keptAt: z.iso.datetime(),
  actor: z.string(),
  daemon: z.object({ id: z.int(), pid: z.int(), processStart: z.string() }),
  task: z.string(),
  subject: z.string(),
  subjectId: z.string().regex(/^\d+$/, 'expected a number'),
  attempt: z.int().positive(),
  status: z.string(),
  cause: z.enum(['finish', 'fail', 'time out', 'give up']),
  outcome: z.enum(['finished', 'failed', 'timed out']),
  failure: z.enum(['machinery', 'science']).optional(),
  wallSeconds: z.number(),
  cpuSeconds: z.number(),
  result: json.optional(),
  warning: z.string().optional(),
  cost: z.number().optional(),
  error: json.optional(),
  log: json.optional(),
  dueInSeconds: z.number().optional(),
  setbacks: z.int(),
  reason: z.string().optional(),
});

/** How an attempt ended, as a file of the spool holds it. Times in seconds, `keptAt` ISO 8601. */
export type KeptEnding = z.infer<typeof keptEnding>;

/** What a file says, or why it cannot be read. */
export type Reading = { ending: KeptEnding } | { newerVersion: number } | { problem: string };

/** The text of a file. */
export const textOf = (ending: KeptEnding): string => `${JSON.stringify(ending, undefined, 2)}\n`;

/** Reads the text of a file, whatever it is: it may be cut off in the middle, or of a version to come. */
export function readKept(text: string): Reading {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { problem: text === '' ? 'it is empty' : (error as Error).message };
  }
  const version = z.object({ version: z.int().min(VERSION + 1) }).safeParse(value);
  if (version.success) return { newerVersion: version.data.version };
  const read = keptEnding.safeParse(value);
  if (read.success) return { ending: read.data };
  return { problem: read.error.issues.map(({ path, message }) => `${path.join('.') || 'all of it'}: ${message}`).join('; ') };
}
