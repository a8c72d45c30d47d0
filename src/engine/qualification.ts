import { isConnectionError } from '../db/connection-error.ts';
import { statement, type Statement } from '../db/hot.ts';
import { unqualified, type Qualifier } from '../runner/qualifier.ts';
import type { EngineTask } from './engine-options.ts';
import type { LimitedClaim } from './limits.ts';
import type { Qualifying } from './qualifying.ts';

/** Longest wait before what does not qualify is looked at again, seconds. */
const LONGEST_RECHECK_SECONDS = 3600;
/** A claim of entries that others take away meanwhile is tried again so often. */
const ROUNDS = 5;
/** The task as a whole. */
const WHOLE = '';

/** What did not qualify, and is not looked at again for a while. */
interface Aside {
  reason: string;
  failures: number;
  againAtMs: number;
  /** How many settings had changed by then. */
  changes: number;
}

/** An entry that could be claimed, for its qualifiers to be asked. */
interface Candidate {
  subjectId: string;
  args: unknown;
  key: string | undefined;
}

/**
 * Whether one task qualifies on this daemon: its qualifiers are asked before each claim, those that go by arguments for each key.
 * What does not qualify is set aside for 5 s times its failures, an hour at most, or until a setting changes; meanwhile claims
 * pass it over in the database, however many jobs of it there are, so that the others go on. Jobs of one key that is set aside
 * are all passed over, which keeps their order.
 */
export class Qualification {
  readonly #shared: Qualifying;
  readonly #task: EngineTask;
  readonly #whole: readonly Qualifier[];
  readonly #byKey: readonly Qualifier[];
  readonly #aside = new Map<string, Aside>();
  #stalled: string | undefined;

  constructor(shared: Qualifying, task: EngineTask) {
    this.#shared = shared;
    this.#task = task;
    this.#whole = task.runner.qualifiers.filter(({ byKey }) => !byKey);
    this.#byKey = task.runner.qualifiers.filter(({ byKey }) => byKey);
  }

  /** Why the last look took nothing; undefined where it took something, or qualifiers were not the reason. */
  get stalled(): string | undefined {
    return this.#stalled;
  }

  /**
   * Claims what qualifies.
   *
   * @param claim claims at most so many entries, where a list is given only those on it
   */
  async claim(room: number, claim: (room: number, among?: readonly string[]) => Promise<LimitedClaim>): Promise<LimitedClaim> {
    const aside = await this.#ofWhole();
    if (aside !== undefined) return this.#held([], aside);
    if (this.#byKey.length === 0) {
      this.#stalled = undefined;
      return claim(room);
    }
    const entries: LimitedClaim['entries'] = [];
    for (let lost = 0; lost < ROUNDS; ) {
      const chosen = await this.#choose(room - entries.length);
      if (chosen.length === 0) return this.#held(entries, this.#soonest());
      const claimed = await claim(room - entries.length, chosen);
      entries.push(...claimed.entries);
      if (claimed.heldBack !== undefined) return { entries, heldBack: claimed.heldBack };
      if (entries.length >= room) return this.#held(entries, this.#soonest());
      if (claimed.entries.length < chosen.length) lost += 1;
    }
    return { entries, heldBack: { by: 'others, who claim the same', againInSeconds: 0.1 } };
  }

  /** Why one entry does not qualify here now, and for how long; undefined where it does. */
  async setbackOf(subjectId: string): Promise<{ reason: string; againInSeconds: number } | undefined> {
    let aside = await this.#ofWhole();
    if (aside === undefined && this.#byKey.length > 0) {
      const [row] = await this.#shared.options.hot.run<CandidateRow>(ONE, [subjectId]);
      if (row !== undefined) aside = await this.#ofCandidate(toCandidate(row));
    }
    return aside === undefined ? undefined : { reason: aside.reason, againInSeconds: this.#secondsLeft(aside) };
  }

  /** Takes back what was written of this task: it is not looked at here any more. */
  async close(): Promise<void> {
    await this.#shared.options.hot.run(FORGET_ALL, [this.#shared.options.daemonId, this.#task.id]).catch(() => {});
  }

  /** Candidates that qualify, in the order of the claims. Each look passes over the keys that did not qualify at the one before. */
  async #choose(most: number): Promise<string[]> {
    const { id, name, claimFromId, runner } = this.#task;
    const chosen: string[] = [];
    const seen = new Set<string>();
    for (;;) {
      const asides = [...this.#aside.keys()].filter((place) => place !== WHOLE && this.#isAside(place));
      const wanted = most - chosen.length;
      const rows = await this.#shared.options.hot.run<CandidateRow>(peekStatement(claimFromId), [id, runner.version, name, asides, chosen, wanted]);
      for (const candidate of rows.map(toCandidate)) {
        seen.add(placeOf(candidate));
        if ((await this.#ofCandidate(candidate)) === undefined) chosen.push(candidate.subjectId);
      }
      if (rows.length < wanted) await this.#forgetGone(seen);
      if (rows.length < wanted || chosen.length === most) return chosen;
    }
  }

  #ofWhole(): Promise<Aside | undefined> {
    return this.#whole.length === 0 ? Promise.resolve(undefined) : this.#ask(WHOLE, this.#whole);
  }

  #ofCandidate(candidate: Candidate): Promise<Aside | undefined> {
    return this.#ask(placeOf(candidate), this.#byKey, candidate);
  }

  async #ask(place: string, qualifiers: readonly Qualifier[], candidate?: Candidate): Promise<Aside | undefined> {
    if (this.#isAside(place)) return this.#aside.get(place);
    const { clock, log } = this.#shared.options;
    const { changes } = this.#shared;
    const before = this.#aside.get(place);
    const found = await unqualified(this.#task.name, qualifiers, await this.#shared.context(candidate?.args, candidate?.key));
    if (found === undefined) {
      if (before !== undefined) {
        this.#aside.delete(place);
        await this.#forget([place]);
      }
      return undefined;
    }
    const failures = (before?.failures ?? 0) + 1;
    const seconds = Math.min(this.#shared.recheckSeconds * failures, LONGEST_RECHECK_SECONDS);
    const aside: Aside = { reason: found.reason, failures, againAtMs: clock.monotonicMs() + seconds * 1000, changes };
    this.#aside.set(place, aside);
    if (found.error !== undefined) log.error({ task: this.#task.name, err: found.error }, 'a qualifier is at fault');
    else if (before === undefined) log[found.isQuiet === true ? 'debug' : 'info']({ task: this.#task.name, key: candidate?.key }, `does not qualify here: ${found.reason}`);
    await this.#write(place, aside, seconds);
    return aside;
  }

  #isAside(place: string): boolean {
    const aside = this.#aside.get(place);
    return aside !== undefined && aside.changes === this.#shared.changes && this.#secondsLeft(aside) > 0;
  }

  #secondsLeft({ againAtMs }: Aside): number {
    return (againAtMs - this.#shared.options.clock.monotonicMs()) / 1000;
  }

  #soonest(): Aside | undefined {
    const asides = [...this.#aside.entries()].filter(([place]) => place !== WHOLE).map(([, aside]) => aside);
    return asides.length === 0 ? undefined : asides.reduce((one, other) => (other.againAtMs < one.againAtMs ? other : one));
  }

  #held(entries: LimitedClaim['entries'], aside: Aside | undefined): LimitedClaim {
    this.#stalled = entries.length === 0 ? aside?.reason : undefined;
    return aside === undefined ? { entries } : { entries, heldBack: { by: aside.reason, againInSeconds: Math.max(0, this.#secondsLeft(aside)) } };
  }

  /** Of what was set aside and could be looked at again, all that was there to look at has been: the rest has been cancelled, say. */
  async #forgetGone(seen: ReadonlySet<string>): Promise<void> {
    const gone = [...this.#aside.keys()].filter((place) => place !== WHOLE && !this.#isAside(place) && !seen.has(place));
    for (const place of gone) this.#aside.delete(place);
    if (gone.length > 0) await this.#forget(gone);
  }

  async #write(place: string, { reason, failures }: Aside, seconds: number): Promise<void> {
    await this.#note(WRITE, [this.#shared.options.daemonId, this.#task.id, place, reason.slice(0, 1000), failures, seconds]);
  }

  async #forget(places: readonly string[]): Promise<void> {
    await this.#note(FORGET, [this.#shared.options.daemonId, this.#task.id, places]);
  }

  /** For explanations alone: that it could not be written keeps nothing from being run. */
  async #note(noted: Statement, params: readonly unknown[]): Promise<void> {
    const { hot, log } = this.#shared.options;
    await hot.run(noted, params).catch((error: unknown) => {
      if (isConnectionError(error)) throw error;
      log.warn({ task: this.#task.name, err: error }, 'could not write what does not qualify');
    });
  }
}

interface CandidateRow {
  subject_id: string;
  args: unknown;
  key: string | null;
}

const toCandidate = ({ subject_id, args, key }: CandidateRow): Candidate => ({ subjectId: subject_id, args, key: key ?? undefined });

/** What has no key stands for itself. */
const placeOf = ({ subjectId, key }: Candidate): string => (key === undefined ? `id ${subjectId}` : `key ${key}`);
const PLACE = `case when j.key is null then 'id ' || r.subject_id else 'key ' || j.key end`;

const made = new Map<number, Statement>();

// As the claim looks for entries, without locking them.
function peekStatement(claimFromId: number): Statement {
  const found = made.get(claimFromId) ?? statement(`
select r.subject_id, s.data as args, j.key
  from task_register r
  join subject s on s.id = r.subject_id
  left join job j on j.subject_id = r.subject_id and j.task_id = r.task_id
 where r.task_id = $1 and r.status_id = ${Number(claimFromId)} and r.ready and r.due_at is null
   and exists (select from task t where t.id = $1 and t.active and t.runner_version <= $2 and in_window(t.window_from, t.window_to, t.window_zone))
   and not exists (select from schedule s where s.runner = $3 and not s.enabled)
   and ${PLACE} <> all ($4::text[]) and r.subject_id <> all ($5::bigint[])
 order by r.public_timestamp, r.priority desc, r.subject_id
 limit $6`);
  made.set(claimFromId, found);
  return found;
}

const ONE = statement(`
select s.id as subject_id, s.data as args, j.key
  from subject s
  left join job j on j.subject_id = s.id
 where s.id = $1`);

const WRITE = statement(`
insert into unqualified as u (daemon_id, task_id, key, reason, failures, again_at)
values ($1, $2, $3, $4, $5, clock_timestamp() + $6 * interval '1 second')
    on conflict (daemon_id, task_id, key) do update set reason = excluded.reason, failures = excluded.failures, again_at = excluded.again_at`);

const FORGET = statement('delete from unqualified where daemon_id = $1 and task_id = $2 and key = any ($3::text[])');

const FORGET_ALL = statement('delete from unqualified where daemon_id = $1 and task_id = $2');
