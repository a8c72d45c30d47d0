import type { EntityManager } from '@mikro-orm/postgresql';
import type { Clock } from '../clock.ts';
import { ConfigError } from '../errors.ts';
import type { MissedSlots, TaskRunner } from '../runner/runner.ts';
import { closeEra } from './ledger.ts';
import { policyText } from './missed.ts';
import { parsePlan, patternOf, storedPlan, type Plan } from './plan.ts';
import { databaseNow, lockSchedules, SCHEDULE_CHANNEL, type ScheduleSettings, type StoredSchedule } from './stored-schedule.ts';

/** What the sync did: runners by name, and sentences for the log. */
export interface ScheduleSync {
  added: readonly string[];
  changed: readonly string[];
  removed: readonly string[];
  /** What happened, and which edits of people are kept; one whole sentence each. */
  sentences: readonly string[];
}

// Everybody who syncs takes this lock first.
const SCHEDULE_LOCK = 7_216_004;

/**
 * Makes the schedule table agree with the code. A new runner gets a row, a runner that is gone loses it. What a person
 * edited is kept, field by field, until the code says something new about that field: then the code's word is in force.
 * Run again it changes nothing; any number of daemons may do it at once.
 *
 * @param keep names of runners whose schedules stay as they are, because newer versions of them are elsewhere
 * @throws {ConfigError} schedules of the code cannot be read (all of them are named), or two runners have one name; nothing is written
 */
export async function syncSchedules(em: EntityManager, runners: readonly TaskRunner[], clock: Clock, keep: readonly string[] = []): Promise<ScheduleSync> {
  const declared = declaredSchedules(runners.filter(({ taskName }) => !keep.includes(taskName)));
  return em.transactional(async (tx) => {
    await tx.execute(`select pg_advisory_xact_lock(${SCHEDULE_LOCK})`);
    const stored = new Map((await lockSchedules(tx)).map((schedule) => [schedule.runner, schedule]));
    const sync = { added: [] as string[], changed: [] as string[], removed: [] as string[], sentences: [] as string[] };

    for (const [runner, { settings, plan, missedSlots }] of declared) {
      const known = stored.get(runner);
      if (known === undefined) {
        await tx.execute(INSERT, [
          runner, settings.pattern, settings.timeZone, settings.enabled, settings.pattern, settings.timeZone, settings.enabled,
          nextAt(settings, plan, clock)?.toISOString() ?? null, missedSlots,
        ]);
        sync.added.push(runner);
        sync.sentences.push(`The schedule of "${runner}" is new: ${inWords('pattern', settings)} (${settings.timeZone}), ${inWords('enabled', settings)}.`);
        continue;
      }
      const agreed = agree(known, settings);
      sync.sentences.push(...agreed.sentences);
      const { inForce, editStands } = agreed;
      const changed = !same(inForce, known.inForce) || !same(settings, known.code);
      // While daemons run, next_at is theirs; after a downtime it lies in the past.
      const current = !changed && known.nextAt !== null && known.nextAt >= clock.now();
      const next = current ? known.nextAt : nextAt(inForce, storedPlan(inForce.pattern, inForce.timeZone), clock);
      if (!changed && next?.getTime() === known.nextAt?.getTime() && missedSlots === policyText(known.missedSlots)) continue;
      // Slots that have come are those of the plan that was in force then.
      const { earlier, accountedTo } = same(inForce, known.inForce) ? known : closeEra(known, await databaseNow(tx));
      await tx.execute(UPDATE, [
        inForce.pattern, inForce.timeZone, inForce.enabled, settings.pattern, settings.timeZone, settings.enabled,
        editStands, editStands, next?.toISOString() ?? null, missedSlots, JSON.stringify(earlier), accountedTo.toISOString(), runner,
      ]);
      if (changed) sync.changed.push(runner);
    }

    for (const runner of stored.keys()) {
      if (declared.has(runner) || keep.includes(runner)) continue;
      await tx.execute(`delete from schedule where runner = ?`, [runner]);
      sync.removed.push(runner);
      sync.sentences.push(`The schedule of "${runner}" is removed: no runner has this name any more.`);
    }
    for (const runner of [...sync.added, ...sync.changed, ...sync.removed]) {
      await tx.execute(`select pg_notify('${SCHEDULE_CHANNEL}', ?)`, [runner]);
    }
    return sync;
  });
}

const INSERT = `
insert into schedule (runner, pattern, time_zone, enabled, code_pattern, code_time_zone, code_enabled, next_at, missed_slots)
values (?, ?, ?, ?, ?, ?, ?, ?::timestamptz, ?)`;

const UPDATE = `
update schedule
   set pattern = ?, time_zone = ?, enabled = ?, code_pattern = ?, code_time_zone = ?, code_enabled = ?,
       edited_by = case when ? then edited_by end, edited_at = case when ? then edited_at end, next_at = ?::timestamptz,
       missed_slots = ?, earlier = ?::jsonb, accounted_to = ?::timestamptz
 where runner = ?`;

interface Declared {
  settings: ScheduleSettings;
  plan: Plan;
  /** As the table keeps it. */
  missedSlots: string;
}

function declaredSchedules(runners: readonly TaskRunner[]): Map<string, Declared> {
  const declared = new Map<string, Declared>();
  const wrong: string[] = [];
  for (const { taskName, schedule, timeZone, initiallyEnabled, missedSlots } of runners) {
    if (declared.has(taskName)) wrong.push(`Two runners are called "${taskName}"; a schedule belongs to one.`);
    try {
      const plan = parsePlan(patternOf(schedule), timeZone);
      if (!isPolicy(missedSlots)) wrong.push(`The runner of "${taskName}": missedSlots should be 'skip', 'once' or { all: n } with n from 1 to ${MOST_CAUGHT_UP}; found ${JSON.stringify(missedSlots)}.`);
      declared.set(taskName, { plan, missedSlots: isPolicy(missedSlots) ? policyText(missedSlots) : 'skip', settings: { pattern: plan.pattern, timeZone, enabled: initiallyEnabled } });
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      wrong.push(`The runner of "${taskName}": ${error.message}`);
    }
  }
  if (wrong.length > 0) throw new ConfigError(wrong.join('\n'));
  return declared;
}

/** Slots that are caught up one by one, at most. */
const MOST_CAUGHT_UP = 1000;

// What runners say is not always TypeScript.
function isPolicy(policy: MissedSlots): boolean {
  if (policy === 'skip' || policy === 'once') return true;
  const all: unknown = (policy as { all?: unknown } | null)?.all;
  return Number.isInteger(all) && (all as number) >= 1 && (all as number) <= MOST_CAUGHT_UP;
}

const FIELDS = ['pattern', 'timeZone', 'enabled'] as const;
type Field = (typeof FIELDS)[number];
const LABELS: Record<Field, string> = { pattern: 'pattern', timeZone: 'time zone', enabled: 'switch' };

/** The three-way merge of what the code said, what it says, and what is in force. */
function agree(known: StoredSchedule, code: ScheduleSettings): { inForce: ScheduleSettings; editStands: boolean; sentences: string[] } {
  const sentences: string[] = [];
  const by = known.editedBy === null ? '' : `edited by ${known.editedBy} at ${known.editedAt?.toISOString()}`;
  const inForce = { ...known.inForce };
  for (const field of FIELDS) {
    const label = `The ${LABELS[field]} of "${known.runner}"`;
    const edited = known.inForce[field] !== known.code[field];
    if (code[field] !== known.code[field]) {
      copy(field, code, inForce);
      if (known.inForce[field] === code[field]) continue;
      const before = edited ? `it was ${inWords(field, known.inForce)}, ${by}` : `it was ${inWords(field, known.inForce)}`;
      sentences.push(`${label} is now ${inWords(field, code)}, because the code changed; ${before}.`);
    } else if (edited) {
      sentences.push(`${label} is kept: ${by} to ${inWords(field, known.inForce)}; the code says ${inWords(field, code)}.`);
    }
  }
  // An edit of which nothing is left is no longer shown as one.
  return { inForce, editStands: same(code, known.code) || !same(inForce, code), sentences };
}

function copy<F extends Field>(field: F, from: ScheduleSettings, to: ScheduleSettings): void {
  to[field] = from[field];
}

const same = (a: ScheduleSettings, b: ScheduleSettings) => FIELDS.every((field) => a[field] === b[field]);

function inWords(field: Field, settings: ScheduleSettings): string {
  if (field === 'enabled') return settings.enabled ? 'on' : 'off';
  return `"${settings[field]}"`;
}

function nextAt(settings: ScheduleSettings, plan: Plan | undefined, clock: Clock): Date | undefined {
  return settings.enabled ? plan?.next(clock.now()) : undefined;
}
