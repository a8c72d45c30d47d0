import type { EntityManager } from '@mikro-orm/postgresql';
import { isConnectionError } from '../db/connection-error.ts';
import { RefusedError } from '../errors.ts';
import { isDeadlock } from './retry-deadlock.ts';

/** A runner's way to the database, made when it is first touched. */
export interface LazyEntityManager {
  /** What the runner gets. */
  readonly em: EntityManager;
  /** Whether the runner wrote, or may have, or changed entities that it had found. If not, the new status needs no transaction of its own. */
  readonly wrote: boolean;
  /** The error of a statement that failed because the database went away or ended a deadlock with it: no fault of the runner's. */
  readonly interruption: unknown;
  /** A `select`, in the attempt's transaction where one has begun, so that an attempt never needs two connections at once. */
  read<Row extends object>(sql: string, params: readonly unknown[]): Promise<Row[]>;
  /**
   * Opens the transaction for {@link commit} where no statement was sent yet. Nothing is lost where that fails, so it may be tried
   * again.
   */
  open(): Promise<void>;
  /** Runs `finish` inside the attempt's transaction, after its unit of work is flushed, and commits; rolls back if anything throws. */
  commit<T>(finish: (em: EntityManager) => Promise<T>): Promise<T>;
  /** Forgets everything that was written. */
  rollback(): Promise<void>;
}

// What may change rows opens the transaction. Reading (find, count, …) goes without until then.
const WRITES = new Set([
  'flush', 'execute', 'insert', 'insertMany', 'nativeUpdate', 'nativeDelete', 'upsert', 'upsertMany', 'transactional', 'lock', 'callRoutine',
]);
// The unit of work: nothing is written yet, but there will be something to flush.
const MARKS = new Set(['persist', 'remove', 'create', 'assign', 'merge']);
const REFUSED = new Set(['commit', 'rollback', 'begin']);
// Doors to the connection that know nothing of the attempt's transaction.
const DOORS = new Set([
  'getKysely', 'getConnection', 'getDriver', 'createQueryBuilder', 'qb', 'fork', 'clone', 'getContext', 'getRepository', 'repo', 'getUnitOfWork',
  'getTransactionContext', 'setTransactionContext', 'resetTransactionContext', 'withSessionContext',
]);

/** Seconds that the end of an attempt waits for an answer, as in src/db/hot.ts; and for that to a rollback, on which nothing depends. */
const ANSWER_SECONDS = 35;
const ROLLBACK_SECONDS = 5;
const SILENT = 'ETIMEDOUT';

/**
 * The EntityManager of one attempt: the first write opens a transaction, which is committed together with the new status
 * or not at all. A plain `select` through `execute` before that runs outside, so that reading first and computing long
 * keeps no transaction open.
 *
 * @param fork gives a new EntityManager
 * @param answerSeconds how long our own statements wait for an answer; those of the runner as long as its time limit allows
 */
export function lazyEntityManager(fork: () => EntityManager, answerSeconds = ANSWER_SECONDS): LazyEntityManager {
  let real: EntityManager | undefined;
  let guarded: EntityManager | undefined;
  let begun: Promise<void> | undefined;
  let marked = false;
  let over = false;
  let undone = false;
  let interruption: unknown;

  const open = (): EntityManager => {
    if (real === undefined) {
      real = fork();
      // Without this, a find after a persist would flush in a transaction of its own.
      real.setFlushMode('commit');
    }
    return real;
  };
  const begin = async (em: EntityManager): Promise<void> => {
    try {
      await em.begin();
    } catch (error) {
      watch(error);
      throw error;
    }
  };
  const watch = (error: unknown): void => {
    if (isConnectionError(error) || isDeadlock(error)) interruption ??= error;
  };
  const guard = (em: EntityManager): EntityManager =>
    new Proxy(em, {
      get(target, property, proxy) {
        const value: unknown = Reflect.get(target, property, target);
        if (typeof value !== 'function' || typeof property !== 'string') return value;
        const call = (args: unknown[]): unknown => {
          const returned: unknown = (value as (...args: unknown[]) => unknown).apply(target, args);
          if (returned instanceof Promise) returned.catch(watch);
          return returned === target ? proxy : returned;
        };
        if (REFUSED.has(property)) {
          return () => refuse(`em.${property}() is not for runners: what they write is committed together with the status.`);
        }
        if (DOORS.has(property)) {
          return () => refuse(`em.${property}() would go past the attempt's transaction; use em.find, em.persist, em.upsert or em.execute.`);
        }
        if (MARKS.has(property)) marked = true;
        if (!WRITES.has(property)) return (...args: unknown[]) => call(args);
        return async (...args: unknown[]) => {
          if (over) refuse('This attempt is over; nothing can be written any more.');
          if (begun !== undefined || !(property === 'execute' && isPlainSelect(args[0]))) await (begun ??= begin(target));
          // The attempt may have been given up while its transaction was being opened.
          if (undone) refuse('This attempt is over; nothing can be written any more.');
          return call(args);
        };
      },
    });

  return {
    get em() {
      return (guarded ??= guard(open()));
    },
    get wrote() {
      return marked || begun !== undefined || (real !== undefined && hasChanges(real));
    },
    get interruption() {
      return interruption;
    },
    async read<Row extends object>(sql: string, params: readonly unknown[]): Promise<Row[]> {
      return (await open().execute(sql, [...params])) as Row[];
    },
    async open() {
      over = true;
      if (begun !== undefined) return;
      const em = open();
      begun = em.begin();
      try {
        await begun;
      } catch (error) {
        begun = undefined;
        throw error;
      }
    },
    async commit(finish) {
      const em = open();
      over = true;
      try {
        await (begun ??= begin(em));
        await em.flush();
        const value = await within(answerSeconds, finish(em));
        await within(answerSeconds, em.commit());
        return value;
      } catch (error) {
        watch(error);
        if (em.isInTransaction()) {
          const undoing = within(ROLLBACK_SECONDS, em.rollback()).catch(() => {});
          // Behind what has no answer, a rollback would get none either.
          if ((error as { code?: unknown }).code !== SILENT) await undoing;
        }
        throw error;
      }
    },
    async rollback() {
      over = true;
      undone = true;
      if (begun === undefined) return;
      await begun.catch(() => {});
      // Where the connection is broken the server has rolled back by itself.
      if (real!.isInTransaction()) await within(ROLLBACK_SECONDS, real!.rollback()).catch(watch);
    },
  };
}

// One statement that begins with `select` and locks or makes nothing.
const isPlainSelect = (sql: unknown): boolean =>
  typeof sql === 'string' && /^\s*select\b/i.test(sql) && !/\bfor\s+(no\s+key\s+)?(update|share|key)\b|\binto\b|;\s*\S/i.test(sql);

// Entities that were found and then changed are written when the unit of work is flushed, without a word to us.
function hasChanges(em: EntityManager): boolean {
  const work = em.getUnitOfWork();
  work.computeChangeSets();
  return work.getChangeSets().length > 0;
}

// The connection itself is given back when it ends, which TCP notices sooner or later.
async function within<T>(seconds: number, answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(Object.assign(new Error(`The database did not answer within ${seconds} s.`), { code: SILENT })), seconds * 1000);
  });
  try {
    return await Promise.race([answer, silence]);
  } finally {
    clearTimeout(timer);
  }
}

function refuse(message: string): never {
  throw new RefusedError(message);
}
