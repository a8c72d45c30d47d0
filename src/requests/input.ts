import { z } from 'zod';
import type { RequestProblem } from '../errors.ts';
import { parseTimestamp, TIMESTAMP } from '../fixtures/timestamp.ts';
import { nearest } from '../nearest.ts';
import type { Json } from '../runner/outcome.ts';

/** A request as it comes in, checked. */
export interface RequestInput {
  email: string;
  type: string;
  requestedAt: Date;
  /** Null: thirty days after it comes in. */
  deadline: Date | null;
  identifiers: Readonly<Record<string, string>>;
  details: { readonly [key: string]: Json };
  notes: string;
}

const EMAIL = 'an e-mail address of at most 254 characters';
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$/;
/** What people write where they know nothing. */
const NOTHING = new Set(['', 'n/a', 'na', 'none', 'null', '-', 'unknown']);

const prose = (most: number) => {
  const error = `text of at most ${most.toLocaleString('en')} characters`;
  return z.string({ error }).refine((value) => value.length <= most && isText(value), { error });
};

/** PostgreSQL cannot keep a NUL, nor half of a surrogate pair. */
const isText = (value: string): boolean => value.isWellFormed() && !value.includes('\0');

/** Whether all texts of a JSON value can be kept, names too. */
function isKeepable(value: unknown): boolean {
  if (typeof value === 'string') return isText(value);
  if (typeof value !== 'object' || value === null) return true;
  return Object.entries(value).every(([name, one]) => isText(name) && isKeepable(one));
}

const instant = z.string({ error: TIMESTAMP }).transform((value, context) => {
  const at = parseTimestamp(value.trim());
  if (at !== undefined) return at;
  context.addIssue({ code: 'custom', message: TIMESTAMP });
  return z.NEVER;
});

const TYPE = 'the type of request, a word of at most 64 characters';
const IDENTIFIER = 'text of at most 500 characters, a number, or null';
const DETAILS = 'an object of JSON values, at most 20,000 characters';

const fields = z.strictObject({
  email: z.string({ error: EMAIL }).trim().pipe(z.email({ error: EMAIL }).max(254, { error: EMAIL })),
  request_type: z.string({ error: TYPE }).transform((value) => value.trim().toLowerCase()).refine((value) => value !== '' && value.length <= 64, { error: TYPE }),
  request_date: instant,
  request_due_date: instant.nullish(),
  identifiers: z
    .record(
      z.string().regex(NAME, { error: 'names of identifiers of letters, digits and _ . : -' }),
      z.union([z.string().max(500).refine(isText), z.number(), z.boolean(), z.null()], { error: IDENTIFIER }),
      { error: 'an object of identifiers, such as {"uuid": "…"}' },
    )
    .nullish(),
  details: z.record(z.string(), z.json(), { error: DETAILS }).refine((value) => JSON.stringify(value).length <= 20_000 && isKeepable(value), { error: DETAILS }).nullish(),
  notes: prose(5000).nullish(),
});

/** The fields of a request. */
const REQUEST_FIELDS: readonly string[] = Object.keys(fields.shape);

/**
 * Reads one request. Identifiers that say nothing (`n/a`, `none`, an empty text) are none.
 *
 * @param value anything at all
 */
export function readRequestInput(value: unknown): { input: RequestInput; problems?: never } | { input?: never; problems: RequestProblem[] } {
  const read = fields.safeParse(value);
  if (!read.success) return { problems: read.error.issues.flatMap((issue) => problemsOf(issue, value)) };
  const { email, request_type, request_date, request_due_date, identifiers, details: more, notes } = read.data;
  if (request_due_date && request_due_date < request_date) {
    return { problems: [{ field: 'request_due_date', expected: 'a time that is not before request_date', found: request_due_date.toISOString() }] };
  }
  return {
    input: {
      email, type: request_type, requestedAt: request_date, deadline: request_due_date ?? null,
      identifiers: identifiersOf(identifiers ?? {}), details: (more ?? {}) as RequestInput['details'], notes: notes ?? '',
    },
  };
}

/** Of what was given as identifiers, those that say something. False says that there is none. */
function identifiersOf(given: Readonly<Record<string, string | number | boolean | null>>): Record<string, string> {
  const said = Object.entries(given).map(([name, value]) => [name, value === null || value === false ? '' : String(value).trim()] as const);
  return Object.fromEntries(said.filter(([, value]) => !saysNothing(value)));
}

/** Whether a name and a value make an identifier. */
export const isIdentifier = (name: string, value: string): boolean => NAME.test(name) && value.length <= 500 && isText(value) && !saysNothing(value);

/** Whether a text stands for nothing, as `n/a` does. */
export const saysNothing = (value: string): boolean => NOTHING.has(value.trim().toLowerCase());

function problemsOf(issue: z.core.$ZodIssue, value: unknown): RequestProblem[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const meant = nearest(key, [...REQUEST_FIELDS]);
      return { field: shortened(key), expected: `one of the fields ${REQUEST_FIELDS.join(', ')}`, found: 'a field of another name', ...(meant !== undefined && { nearest: meant }) };
    });
  }
  const field = issue.path.map(String).join('.');
  const found = issue.path.reduce<unknown>((at, key) => (typeof at === 'object' && at !== null ? (at as Record<PropertyKey, unknown>)[key] : undefined), value);
  return [{ field: shortened(field === '' ? 'request' : field), expected: field === '' ? 'a request, an object' : issue.message, found: shownValue(found) }];
}

/** A value for people, not longer than a line. */
export function shownValue(value: unknown): string {
  if (value === undefined) return 'nothing';
  return shortened(JSON.stringify(value) ?? String(value));
}

const shortened = (text: string): string => (text.length > 80 ? `${text.slice(0, 79)}…` : text);
