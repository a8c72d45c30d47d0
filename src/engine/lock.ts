import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { isConnectionError } from '../db/connection-error.ts';
import { statement, type Run, type Statement } from '../db/hot.ts';
import { DatabaseUnavailableError, LockLostError, LockTakenError } from '../errors.ts';
import type { LockOptions, NamedLock } from '../runner/named-lock.ts';

/** The first wait for a lock that somebody has, and the longest, milliseconds. In between it grows by half each time. */
const [FIRST_WAIT_MS, LONGEST_WAIT_MS] = [50, 1000];
/** The longest name, characters; the table's own limit. */
const LONGEST_NAME = 200;

/** Who takes a lock. */
export interface LockTaker {
  /** For people, e.g. `"Host match" of 2010ag, attempt 3`. */
  owner: string;
  /** Ends the wait, with its reason. */
  signal: AbortSignal;
}

/**
 * Takes a named lock, outside any transaction. Whose it is, and until when, is decided by the database: a token tells each
 * taking from all others, and the expiry goes by the database's clock, so that the lock of an owner that died is free again.
 *
 * @throws {LockTakenError} somebody else had it all the time
 * @throws {DatabaseUnavailableError} the database is away
 * @throws {RangeError} the name or a time is impossible
 * @throws the reason of the signal, when it fires
 */
export async function takeLock(run: Run, name: string, { seconds, waitSeconds = 0 }: LockOptions, { owner, signal }: LockTaker): Promise<NamedLock> {
  assertPossible(name, seconds, waitSeconds);
  const token = randomUUID();
  const startedMs = performance.now();
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 1.5, LONGEST_WAIT_MS)) {
    signal.throwIfAborted();
    const askedMs = performance.now();
    const [found] = await ask<Found>(run, name, TAKE, [name, token, owner, seconds]);
    if (found?.token === token) return new HeldLock(run, { name, token, seconds, askedMs, expiresAt: new Date(found.expires_at) });
    // Somebody was quicker: who, is seen by a statement that begins after that.
    if (found === undefined || found.left_ms === 0) continue;
    const leftMs = startedMs + waitSeconds * 1000 - performance.now();
    if (leftMs <= 0) throw new LockTakenError(name, found.owner, new Date(found.expires_at), waitSeconds);
    // All that wait must not ask in the same moment; the last look comes when the time is over.
    await delay(Math.min(waitMs * (0.5 + Math.random()), leftMs, found.left_ms + 1), undefined, { signal }).catch((error: unknown) => {
      signal.throwIfAborted();
      throw error;
    });
  }
}

/** The way to the locks that one attempt has. */
export const locksOf = (run: Run, taker: LockTaker) => (name: string, options: LockOptions): Promise<NamedLock> => takeLock(run, name, options, taker);

interface Found {
  token: string;
  owner: string;
  expires_at: Date | string;
  left_ms: number;
}

class HeldLock implements NamedLock {
  readonly name: string;
  readonly token: string;
  readonly #run: Run;
  readonly #seconds: number;
  #expiresAt: Date;
  /** Until then it is ours for certain, by this machine's steady clock. */
  #surelyMs: number;
  #over = false;

  constructor(run: Run, { name, token, seconds, askedMs, expiresAt }: { name: string; token: string; seconds: number; askedMs: number; expiresAt: Date }) {
    this.#run = run;
    this.name = name;
    this.token = token;
    this.#seconds = seconds;
    this.#surelyMs = askedMs + seconds * 1000;
    this.#expiresAt = expiresAt;
  }

  get expiresAt(): Date {
    return this.#expiresAt;
  }

  async renew(seconds = this.#seconds): Promise<void> {
    assertPossible(this.name, seconds, 0);
    const askedMs = performance.now();
    const [row] = await ask<{ expires_at: Date | string }>(this.#run, this.name, RENEW, [this.name, this.token, seconds]);
    if (row === undefined) await this.#lost();
    this.#expiresAt = new Date(row!.expires_at);
    this.#surelyMs = askedMs + seconds * 1000;
  }

  async release(): Promise<void> {
    if (this.#over) return;
    const [row] = await ask(this.#run, this.name, RELEASE, [this.name, this.token]);
    this.#over = true;
    if (row === undefined) await this.#lost();
  }

  // The work is done, and was protected: that the lock is given back only when it runs out is no reason to lose it.
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.release();
    } catch (error) {
      if (!(error instanceof DatabaseUnavailableError) || performance.now() > this.#surelyMs) throw error;
    }
  }

  async #lost(): Promise<never> {
    const [row] = await ask<{ owner: string }>(this.#run, this.name, WHO, [this.name]);
    throw new LockLostError(this.name, this.#expiresAt, row?.owner);
  }
}

async function ask<Row extends object>(run: Run, name: string, asked: Statement, params: readonly unknown[]): Promise<Row[]> {
  try {
    return await run<Row>(asked, params);
  } catch (error) {
    if (!isConnectionError(error)) throw error;
    throw new DatabaseUnavailableError(`The lock "${name}" could not be asked for: ${(error as Error).message}.`, { cause: error });
  }
}

function assertPossible(name: unknown, seconds: unknown, waitSeconds: unknown): void {
  if (typeof name !== 'string' || name.length === 0 || name.length > LONGEST_NAME) throw new RangeError(`The name of a lock must have 1 to ${LONGEST_NAME} characters; found ${JSON.stringify(name)}.`);
  if (typeof seconds !== 'number' || !(seconds > 0 && seconds < Infinity)) throw new RangeError(`The lock "${name}" must be taken for more than 0 seconds; found ${String(seconds)}.`);
  if (typeof waitSeconds !== 'number' || !(waitSeconds >= 0)) throw new RangeError(`The lock "${name}" cannot be waited for ${String(waitSeconds)} seconds.`);
}

// Takes it where nobody has it or its time is over, and says who has it where not.
const TAKE = statement(`
with taken as (
  insert into named_lock as l (name, token, owner, taken_at, expires_at)
  values ($1, $2, $3, clock_timestamp(), clock_timestamp() + $4 * interval '1 second')
  on conflict (name) do update
     set token = excluded.token, owner = excluded.owner, taken_at = clock_timestamp(), expires_at = clock_timestamp() + $4 * interval '1 second'
   where l.expires_at <= clock_timestamp()
  returning token, owner, expires_at)
select token, owner, expires_at, 0::float8 as left_ms from taken
union all
select token, owner, expires_at, greatest(0, extract(epoch from expires_at - clock_timestamp()) * 1000)::float8
  from named_lock
 where name = $1 and not exists (select from taken)`);

const RENEW = statement(`
update named_lock
   set expires_at = clock_timestamp() + $3 * interval '1 second'
 where name = $1 and token = $2
returning expires_at`);

const RELEASE = statement(`delete from named_lock where name = $1 and token = $2 returning 1 as released`);

const WHO = statement(`select owner from named_lock where name = $1`);
